#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# List the commits between two points of a git history, grouped by what they mean to a reader (Conventional
# Commits). Reads the repository, changes nothing. Works with bash 3.2 and git 2.25 or later.

set -euo pipefail

usage() {
  cat <<'TEXT'
usage: collect-changes.sh [--repo DIR] [--from REF] [--to REF] [PATH ...]

  --repo DIR   the repository (default: the current folder)
  --from REF   the previous release, not included (default: the last tag before --to)
  --to REF     the new release, included (default: HEAD)
  PATH ...     only commits that touch these paths

Prints Markdown. Exit codes: 0 done, 1 no commits in the range, 2 the range could not be read.
TEXT
}

fail() {
  printf 'collect-changes: %s\n' "$1" >&2
  exit 2
}

commits() {
  git -C "$repo" log --no-show-signature --no-merges "$@"
}

commit_of() {
  [[ $1 != -* ]] || fail "'$1' is not a name of a commit"
  git -C "$repo" rev-parse --quiet --verify "$1^{commit}" 2>/dev/null ||
    fail "no commit is named '$1' here. A shallow clone may lack it: git fetch --tags --unshallow"
}

# Choose the list a commit belongs to: kind_of SUBJECT BODY
kind_of() {
  local conventional='^([a-z]+)(\([^)]*\))?(!?): ' footer=$'(^|\n)BREAKING[ -]CHANGE: '
  if [[ $1 =~ $conventional ]]; then
    local type=${BASH_REMATCH[1]} bang=${BASH_REMATCH[3]}
    if [[ -n $bang || $2 =~ $footer ]]; then
      echo breaking
      return
    fi
    case $type in
      feat) echo features ;;
      fix | perf) echo fixes ;;
      revert) echo reverts ;;
      build | chore | ci | docs | refactor | style | test) echo internal ;;
      *) echo unsorted ;;
    esac
  elif [[ $2 =~ $footer ]]; then
    echo breaking
  elif [[ $1 == Revert\ * ]]; then
    echo reverts
  else
    echo unsorted
  fi
}

# Print what the author wrote for readers: "Release-note:" trailers and the breaking-change footer.
notes_of() {
  grep -E '^(Release-note|BREAKING[ -]CHANGE): ' <<<"$1" | sed 's/^/  > /' || true
}

section() {
  if [[ -n $2 ]]; then
    printf '\n## %s\n\n%s' "$1" "$2"
  fi
}

main() {
  repo=. from='' to=HEAD
  while (($#)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --repo | --from | --to)
        (($# > 1)) || fail "$1 needs a value"
        case $1 in
          --repo) repo=$2 ;;
          --from) from=$2 ;;
          --to) to=$2 ;;
        esac
        shift 2
        ;;
      --)
        shift
        break
        ;;
      -*) fail "unknown option $1 (see --help)" ;;
      *) break ;;
    esac
  done

  command -v git >/dev/null || fail 'git is not installed'
  git -C "$repo" rev-parse --git-dir >/dev/null 2>&1 || fail "'$repo' is not in a git repository"
  local end start authors count first_day last_day
  end=$(commit_of "$to")
  if [[ -z $from ]]; then
    # The tag on the new release itself does not count, hence the parent.
    from=$(git -C "$repo" describe --tags --abbrev=0 "$end^" 2>/dev/null) ||
      fail "no tag before '$to'. Name the previous release with --from"
  fi
  start=$(commit_of "$from")

  local range=("$start..$end" --)
  (($# == 0)) || range+=("$@")
  count=$(git -C "$repo" rev-list --count --no-merges "${range[@]}")
  if ((count == 0)); then
    printf 'collect-changes: no commits between %s and %s\n' "$from" "$to" >&2
    exit 1
  fi
  authors=$(commits --format=%aE "${range[@]}" | sort -fu | wc -l | tr -d ' ')
  last_day=$(commits --format=%cs "${range[@]}" | sort | sed -n '$p')
  first_day=$(commits --format=%cs "${range[@]}" | sort | sed -n 1p)

  local breaking='' features='' fixes='' reverts='' unsorted='' internal=''
  local hash subject body line notes
  # Fields end with 0x1f and records with 0x1e, which no commit message holds in practice.
  while IFS= read -r -d $'\x1e' record; do
    record=${record#$'\n'}
    hash=${record%%$'\x1f'*}
    record=${record#*$'\x1f'}
    subject=${record%%$'\x1f'*}
    body=${record#*$'\x1f'}
    line="- \`$hash\` $subject"$'\n'
    notes=$(notes_of "$body")
    [[ -z $notes ]] || line+=$notes$'\n'
    case $(kind_of "$subject" "$body") in
      breaking) breaking+=$line ;;
      features) features+=$line ;;
      fixes) fixes+=$line ;;
      reverts) reverts+=$line ;;
      internal) internal+=$line ;;
      *) unsorted+=$line ;;
    esac
  done < <(commits --reverse --format='%h%x1f%s%x1f%b%x1e' "${range[@]}")

  printf '# Changes from %s to %s\n\n' "$from" "$to"
  printf 'Commits: %s · authors: %s · %s to %s\n' "$count" "$authors" "$first_day" "$last_day"
  section 'Breaking changes' "$breaking"
  section 'Features' "$features"
  section 'Fixes' "$fixes"
  section 'Reverts' "$reverts"
  section 'Not sorted: read these one by one' "$unsorted"
  section 'Internal: leave out unless a reader would notice' "$internal"
}

main "$@"
