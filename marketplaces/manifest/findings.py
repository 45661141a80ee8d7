"""Every kind of finding: what is said, and what its reader can do next."""

from typing import Final

from marketplaces.manifest.report import Kind, Severity


def _error(code: str, reason: str, remedy: str) -> Kind:
    return Kind(code, Severity.ERROR, reason, remedy)


def _warning(code: str, reason: str, remedy: str) -> Kind:
    return Kind(code, Severity.WARNING, reason, remedy)


def _advice(code: str, reason: str, remedy: str) -> Kind:
    return Kind(code, Severity.ADVICE, reason, remedy)


# The catalog and its entries.

CATALOG_NAME_MISSING: Final = _warning(
    "catalog_name_missing",
    "The marketplace has no name.",
    "Add a `name` to marketplace.json.",
)
CATALOG_DERIVED: Final = _advice(
    "catalog_derived",
    "The repository has no marketplace.json. This catalog is made of its folders (plugins: {plugins}; skills outside of plugins: {loose}).",
    "Add .claude-plugin/marketplace.json to say yourself what is published, and under which names.",
)
DERIVED_NAME_REFUSED: Final = _error(
    "derived_name_refused",
    "This folder is not served as a plugin: its name “{name}” {why}.",
    "Rename the folder, or give the plugin a `name` in its .claude-plugin/plugin.json.",
)
FIELD_IGNORED: Final = _warning(
    "field_ignored",
    "`{field}` of {owner} is left out: {why}.",
    "Write it as the marketplace reference describes it, or remove it.",
)
VERSION_IGNORED: Final = _warning(
    "version_ignored",
    "The version “{version}” of {owner} is not used.",
    'Write a text of up to 60 letters, digits, dots, hyphens, plus signs or underscores, such as "1.4.0".',
)
ENTRY_INVALID: Final = _error(
    "entry_invalid",
    "{entry} is not served: {why}.",
    "Correct this entry of marketplace.json. The other plugins are served.",
)
PLUGIN_NAME_REFUSED: Final = _error(
    "plugin_name_refused",
    "The plugin “{name}” is not served: its name {why}.",
    "Rename the plugin in marketplace.json.",
)
PLUGIN_NAME_TAKEN: Final = _error(
    "plugin_name_taken",
    "A second plugin “{name}” is not served: an earlier entry has this name, perhaps in other letter case.",
    "Rename or remove one of the two entries.",
)
SOURCE_REFUSED: Final = _error(
    "source_refused",
    "The plugin “{plugin}” is not served: its source “{source}” {why}.",
    'Name a folder of this repository, such as "./plugins/name".',
)
SOURCE_MISSING: Final = _error(
    "source_missing",
    "The plugin “{plugin}” is not served: its folder “{source}” is not in the repository, or is empty.",
    "Add the folder, or correct `source` in marketplace.json, letter case included.",
)
EXTERNAL_SOURCE: Final = _error(
    "external_source",
    "The plugin “{plugin}” is not served: Skillport does not mirror sources of the kind “{kind}”.",
    "Name a git repository as its source, or copy the plugin into this repository and name its folder.",
)
EXTERNAL_SOURCE_REFUSED: Final = _error(
    "external_source_refused",
    "The plugin “{plugin}” is not served: of its source “{kind}” {why}.",
    "Write the https address of a repository, and where they are needed `ref`, `sha` or `path`.",
)
EXTERNAL_HOST_NOT_ALLOWED: Final = _error(
    "external_host_not_allowed",
    "The plugin “{plugin}” is not served: it is kept at {url}, and this marketplace may not use {host}.",
    "Allow the host under “External sources” of the marketplace, or copy the plugin into this repository.",
)
EXTERNAL_WAITING: Final = _warning(
    "external_waiting",
    "The plugin “{plugin}” is not served yet: its repository {url} is still to be mirrored.",
    "Nothing: it is served as soon as that is done. “External sources” of the marketplace shows how far it is.",
)
EXTERNAL_FAILED: Final = _error(
    "external_failed",
    "The plugin “{plugin}” is not served: its repository {url} could not be mirrored.",
    "Look under “External sources” of the marketplace for the reason.",
)
EXTERNAL_STALE: Final = _warning(
    "external_stale",
    "The plugin “{plugin}” is served as it was mirrored before: the newest commit of {url} could not be had.",
    "Look under “External sources” of the marketplace for the reason.",
)
EXTERNAL_TOO_MANY: Final = _error(
    "external_too_many",
    "The plugin “{plugin}” is not served: the external sources of this marketplace are too many, or hold too many files.",
    "Remove entries, or divide the repository into two marketplaces.",
)
COMMAND_SOURCE_REFUSED: Final = _error(
    "command_source_refused",
    "The plugin “{plugin}” is never served: its source runs a command on the computer that installs it.",
    "Put the plugin's files into this repository and name their folder as `source`.",
)
PLUGIN_JSON_INVALID: Final = _error(
    "plugin_json_invalid",
    "The plugin “{plugin}” is not served: its plugin.json cannot be read: {why}.",
    "Correct plugin.json, or remove it: the entry in marketplace.json is enough.",
)
PLUGIN_JSON_IGNORED: Final = _warning(
    "plugin_json_ignored",
    "The plugin “{plugin}” is served by its entry alone: its plugin.json cannot be read: {why}.",
    "Correct plugin.json, or remove it.",
)
PLUGIN_TOO_MANY_FILES: Final = _error(
    "plugin_too_many_files",
    "The plugin in this folder is not served: it has more than {limit} files.",
    "Move what is not part of the plugin out of its folder, or name a smaller folder as `source`.",
)

# Files.

NAME_REFUSED: Final = _error(
    "name_refused",
    "This file is not served: its path {why}.",
    "Rename it so that it can be unpacked on every system.",
)
NAME_COLLIDES: Final = _error(
    "name_collides",
    "This file is not served: on many systems its path is the same as “{other}”.",
    "Rename one of the two. Letter case, width and accents written in parts do not make names different.",
)
FILE_TOO_LARGE: Final = _error(
    "file_too_large",
    "This file is not served: it is larger than {limit} bytes.",
    "Make it smaller, or let the skill load it from where it is kept.",
)
LARGE_FILE_POINTER: Final = _error(
    "large_file_pointer",
    "This file is not served: it holds no content, but says where Git LFS keeps it.",
    "Commit the file itself if it is small enough, or let the skill load it from where it is kept.",
)
SUBMODULE_REFUSED: Final = _error(
    "submodule_refused",
    "This submodule is not served: its files are in another repository.",
    "Copy the files into this repository, or move the submodule out of the plugin.",
)
LINK_ABSOLUTE: Final = _error(
    "link_absolute",
    "This link is not served: it leads to a place on the computer where it was made.",
    "Link to a file of the same plugin by a relative path, or put the file here.",
)
LINK_LEAVES_PLUGIN: Final = _error(
    "link_leaves_plugin",
    "This link is not served: it leads out of its plugin.",
    "Put a copy of the file into the plugin.",
)
LINK_DANGLING: Final = _error(
    "link_dangling",
    "This link is not served: there is no “{target}”.",
    "Correct the link, or remove it.",
)
LINK_CIRCULAR: Final = _error(
    "link_circular",
    "This link is not served: it leads in a circle, or over more than {hops} links.",
    "Link to the file or folder itself.",
)
LINK_TOO_LONG: Final = _error(
    "link_too_long",
    "This link is not served: its target is too long for a path.",
    "Link to a file of the same plugin by a short relative path.",
)
LINKS_TOO_MANY: Final = _error(
    "links_too_many",
    "This link is not served: the links of this repository add more than {limit} files.",
    "Link to single files, or to smaller folders.",
)

# Skills.

SKILL_NAME_REFUSED: Final = _error(
    "skill_name_refused",
    "The skill in the folder “{name}” is not served: its name {why}.",
    "Rename the folder: a skill is called as its folder is.",
)
SKILL_NAME_TAKEN: Final = _error(
    "skill_name_taken",
    "A second skill “{name}” of the plugin “{plugin}” is not served: another folder has this name, perhaps in other letter case.",
    "Rename one of the two folders.",
)
SKILL_REFUSED: Final = _error(
    "skill_refused",
    "The skill “{name}” is not served, because it would not be whole. {count} of its files cannot be served; the first is “{first}”: {why}",
    "Correct what is said about its files. The other skills are served.",
)
SKILL_TOO_MANY_FILES: Final = _error(
    "skill_too_many_files",
    "The skill “{name}” is not served: it has {count} files, more than {limit}.",
    "Remove what the skill does not need, or make two skills of it.",
)
SKILL_TOO_LARGE: Final = _error(
    "skill_too_large",
    "The skill “{name}” is not served: its files have {size} bytes, more than {limit}.",
    "Remove what the skill does not need, or make two skills of it.",
)
SKILL_MD_TOO_LARGE: Final = _error(
    "skill_md_too_large",
    "The skill “{name}” is not served: its SKILL.md is larger than {limit} bytes.",
    "Move details into files beside SKILL.md that it refers to.",
)
SKILL_MD_NOT_UTF8: Final = _error(
    "skill_md_not_utf8",
    "This skill is not served: its SKILL.md is not UTF-8 at line {line}.",
    "Save the file as UTF-8.",
)
SKILL_MD_MISCASED: Final = _error(
    "skill_md_miscased",
    "This skill is not served: its file must be called exactly SKILL.md.",
    "Rename it to SKILL.md.",
)
FRONTMATTER_INVALID: Final = _error(
    "frontmatter_invalid",
    "This skill is not served: its frontmatter cannot be read at line {line}: {why}.",
    "Correct the YAML between the two lines of ---. A text with a colon, a # or a bracket in it needs quotes.",
)
FRONTMATTER_MISSING: Final = _warning(
    "frontmatter_missing",
    "This skill has no frontmatter, so that Claude Code offers it only as a slash command.",
    "Begin the file with --- and a `description` that says what the skill does and when to use it.",
)
DESCRIPTION_MISSING: Final = _warning(
    "description_missing",
    "This skill has no description, so that Claude Code offers it only as a slash command.",
    "Add one line `description:` that says what the skill does and when to use it.",
)
SKILL_MISSING: Final = _error(
    "skill_missing",
    "The plugin “{plugin}” lists “{listed}”, where there is no SKILL.md, nor in the folders directly below.",
    "Correct the path under `skills`, letter case included, or add the file.",
)
SKILL_PATH_REFUSED: Final = _error(
    "skill_path_refused",
    "The plugin “{plugin}” lists the skill “{listed}”, whose path {why}.",
    'Name a folder inside the plugin, such as "./skills/name".',
)
SKILL_NOT_LISTED: Final = _warning(
    "skill_not_listed",
    "This SKILL.md is not served as a skill: no plugin lists it.",
    "List its folder under `skills` of a plugin, or move it into the `skills` folder of one. Leave it if that is meant.",
)
TOO_MANY_SKILLS: Final = _error(
    "too_many_skills",
    "Skills of the plugin “{plugin}” are not served: the catalog has more than {limit}.",
    "Remove skills, or divide the repository into two marketplaces.",
)

# Advice for other clients.

BYTE_ORDER_MARK: Final = _advice(
    "byte_order_mark",
    "The file begins with a byte-order mark, which some clients take for text before the frontmatter.",
    "Save it as UTF-8 without a byte-order mark.",
)
WINDOWS_LINE_ENDS: Final = _advice(
    "windows_line_ends",
    "The file has Windows line ends, with which some clients find no frontmatter.",
    "Save it with Unix line ends (LF).",
)
PLUGIN_NAME_DIFFERS: Final = _advice(
    "plugin_name_differs",
    "plugin.json calls this plugin “{own}”, marketplace.json calls it “{name}”. It is served as “{name}”.",
    "Write the same name in both.",
)
PLUGIN_NAME_RESERVED: Final = _advice(
    "plugin_name_reserved",
    "The plugin's name “{name}” begins with “{prefix}”, which `claude plugin validate` refuses. It can be installed.",
    "Choose another name if you publish this plugin elsewhere.",
)
SKILL_NAME_DIFFERS: Final = _advice(
    "skill_name_differs",
    "The frontmatter calls this skill “{own}”, its folder “{name}”. It is served as “{name}”.",
    "Write the folder's name as `name`: some clients refuse a skill where they differ.",
)
SKILL_NAME_NOT_PORTABLE: Final = _advice(
    "skill_name_not_portable",
    "Some clients refuse the skill's name “{name}”.",
    "Use up to 64 lower-case letters and digits, with single hyphens between them.",
)
DESCRIPTION_LONG: Final = _advice(
    "description_long",
    "The description has {count} characters; some clients take no more than {limit}.",
    "Say what the skill does and when to use it in fewer words; the rest belongs into the text below.",
)
