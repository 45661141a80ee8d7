"""Say what was started and what to try next."""

from collections.abc import Callable
from pathlib import Path

from skillport.demo.seed import SeededOrganization
from skillport.demo.surroundings import Surroundings

_INSTALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_install_token","arguments":{"name":"%s"}}}'


def announce(
    here: Surroundings, seeded: list[SeededOrganization], file: Path, say: Callable[[str], None]
) -> None:
    """Print the addresses, the people, how to sign in, and lines to paste. No secret is printed: `file` has them."""
    acme, globex = seeded
    alice, bob = acme.people
    (charlie,) = globex.people
    skill = acme.visible_skill
    say(f"""
Skillport is running at {here.site_url}

  {acme.slug:7} {alice.email} (owner), {bob.email} (member, from whom {acme.hidden_skill or "nothing"} is hidden)
  {globex.slug:7} {charlie.email} (owner)

In a browser, open {here.site_url}/accounts/demo and choose one of them. Clients and scripts use API keys, which are
in {file}, which only you can read. Bob's, for what follows:

  KEY=$(python3 -c "import json; print(json.load(open('{file}'))['organizations'][0]['people'][1]['api_key'])")

Try next:

  # The skills that Bob may use
  curl -s -H "Authorization: Bearer $KEY" {here.site_url}/{acme.slug}/api/v1/skills

  # Connect Claude Code, then ask it: install {skill} from skillport
  claude mcp add --transport http skillport {acme.connector_url} --header "Authorization: Bearer $KEY"

  # Or install without it: ask for a single-use token, then run the command in the answer, which looks like the second line
  curl -s -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" -H "Accept: application/json" \\
    -d '{_INSTALL % skill}' {acme.connector_url}
  curl -fsSL {here.site_url}/install.sh | SKILLPORT_TOKEN=… bash

  # Change a skill and push: seconds later everybody has it (user: owner, password: in the file under git_host)
  git clone {here.git_host.url}/{acme.slug}/skills.git

Ctrl-C stops everything.""")
