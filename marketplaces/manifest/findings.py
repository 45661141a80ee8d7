"""Every kind of finding: what is said, and what its reader can do next."""

from typing import Final

from marketplaces.manifest.report import Kind, Severity

_ERROR: Final = Severity.ERROR
_WARNING: Final = Severity.WARNING
_ADVICE: Final = Severity.ADVICE

# The catalog and its entries.

CATALOG_NAME_MISSING: Final = Kind(
    "catalog_name_missing", _WARNING,
    "The marketplace has no name.",
    "Add a `name` to marketplace.json.",
)
FIELD_IGNORED: Final = Kind(
    "field_ignored", _WARNING,
    "`{field}` of {owner} is left out: {why}.",
    "Write it as the marketplace reference describes it, or remove it.",
)
VERSION_IGNORED: Final = Kind(
    "version_ignored", _WARNING,
    "The version “{version}” of {owner} is not used.",
    "Write a text of up to 60 letters, digits, dots, hyphens, plus signs or underscores, such as \"1.4.0\".",
)
ENTRY_INVALID: Final = Kind(
    "entry_invalid", _ERROR,
    "{entry} is not served: {why}.",
    "Correct this entry of marketplace.json. The other plugins are served.",
)
PLUGIN_NAME_REFUSED: Final = Kind(
    "plugin_name_refused", _ERROR,
    "The plugin “{name}” is not served: its name {why}.",
    "Rename the plugin in marketplace.json.",
)
PLUGIN_NAME_TAKEN: Final = Kind(
    "plugin_name_taken", _ERROR,
    "A second plugin “{name}” is not served: an earlier entry has this name, perhaps in other letter case.",
    "Rename or remove one of the two entries.",
)
SOURCE_REFUSED: Final = Kind(
    "source_refused", _ERROR,
    "The plugin “{plugin}” is not served: its source “{source}” {why}.",
    "Name a folder of this repository, such as \"./plugins/name\".",
)
SOURCE_MISSING: Final = Kind(
    "source_missing", _ERROR,
    "The plugin “{plugin}” is not served: its folder “{source}” is not in the repository, or is empty.",
    "Add the folder, or correct `source` in marketplace.json, letter case included.",
)
EXTERNAL_SOURCE: Final = Kind(
    "external_source", _ERROR,
    "The plugin “{plugin}” is kept in another repository (source “{kind}”), not imported yet.",
    "Copy the plugin into this repository and name its folder as `source`.",
)
COMMAND_SOURCE_REFUSED: Final = Kind(
    "command_source_refused", _ERROR,
    "The plugin “{plugin}” is never served: its source runs a command on the computer that installs it.",
    "Put the plugin's files into this repository and name their folder as `source`.",
)
PLUGIN_JSON_INVALID: Final = Kind(
    "plugin_json_invalid", _ERROR,
    "The plugin “{plugin}” is not served: its plugin.json cannot be read: {why}.",
    "Correct plugin.json, or remove it: the entry in marketplace.json is enough.",
)
PLUGIN_JSON_IGNORED: Final = Kind(
    "plugin_json_ignored", _WARNING,
    "The plugin “{plugin}” is served by its entry alone: its plugin.json cannot be read: {why}.",
    "Correct plugin.json, or remove it.",
)
PLUGIN_TOO_MANY_FILES: Final = Kind(
    "plugin_too_many_files", _ERROR,
    "The plugin in this folder is not served: it has more than {limit} files.",
    "Move what is not part of the plugin out of its folder, or name a smaller folder as `source`.",
)

# Files.

NAME_REFUSED: Final = Kind(
    "name_refused", _ERROR,
    "This file is not served: its path {why}.",
    "Rename it so that it can be unpacked on every system.",
)
NAME_COLLIDES: Final = Kind(
    "name_collides", _ERROR,
    "This file is not served: on many systems its path is the same as “{other}”.",
    "Rename one of the two. Letter case, width and accents written in parts do not make names different.",
)
FILE_TOO_LARGE: Final = Kind(
    "file_too_large", _ERROR,
    "This file is not served: it is larger than {limit} bytes.",
    "Make it smaller, or let the skill load it from where it is kept.",
)
SUBMODULE_REFUSED: Final = Kind(
    "submodule_refused", _ERROR,
    "This submodule is not served: its files are in another repository.",
    "Copy the files into this repository, or move the submodule out of the plugin.",
)
LINK_ABSOLUTE: Final = Kind(
    "link_absolute", _ERROR,
    "This link is not served: it leads to a place on the computer where it was made.",
    "Link to a file of the same plugin by a relative path, or put the file here.",
)
LINK_LEAVES_PLUGIN: Final = Kind(
    "link_leaves_plugin", _ERROR,
    "This link is not served: it leads out of its plugin.",
    "Put a copy of the file into the plugin.",
)
LINK_DANGLING: Final = Kind(
    "link_dangling", _ERROR,
    "This link is not served: there is no “{target}”.",
    "Correct the link, or remove it.",
)
LINK_CIRCULAR: Final = Kind(
    "link_circular", _ERROR,
    "This link is not served: it leads in a circle, or over more than {hops} links.",
    "Link to the file or folder itself.",
)
LINK_TOO_LONG: Final = Kind(
    "link_too_long", _ERROR,
    "This link is not served: its target is too long for a path.",
    "Link to a file of the same plugin by a short relative path.",
)
LINKS_TOO_MANY: Final = Kind(
    "links_too_many", _ERROR,
    "This link is not served: the links of this repository add more than {limit} files.",
    "Link to single files, or to smaller folders.",
)

# Skills.

SKILL_NAME_REFUSED: Final = Kind(
    "skill_name_refused", _ERROR,
    "The skill in the folder “{name}” is not served: its name {why}.",
    "Rename the folder: a skill is called as its folder is.",
)
SKILL_NAME_TAKEN: Final = Kind(
    "skill_name_taken", _ERROR,
    "A second skill “{name}” of the plugin “{plugin}” is not served: another folder has this name, perhaps in other letter case.",
    "Rename one of the two folders.",
)
SKILL_REFUSED: Final = Kind(
    "skill_refused", _ERROR,
    "The skill “{name}” is not served, because it would not be whole. {count} of its files cannot be served; the first is “{first}”: {why}",
    "Correct what is said about its files. The other skills are served.",
)
SKILL_TOO_MANY_FILES: Final = Kind(
    "skill_too_many_files", _ERROR,
    "The skill “{name}” is not served: it has {count} files, more than {limit}.",
    "Remove what the skill does not need, or make two skills of it.",
)
SKILL_TOO_LARGE: Final = Kind(
    "skill_too_large", _ERROR,
    "The skill “{name}” is not served: its files have {size} bytes, more than {limit}.",
    "Remove what the skill does not need, or make two skills of it.",
)
SKILL_MD_TOO_LARGE: Final = Kind(
    "skill_md_too_large", _ERROR,
    "The skill “{name}” is not served: its SKILL.md is larger than {limit} bytes.",
    "Move details into files beside SKILL.md that it refers to.",
)
SKILL_MD_NOT_UTF8: Final = Kind(
    "skill_md_not_utf8", _ERROR,
    "This skill is not served: its SKILL.md is not UTF-8 at line {line}.",
    "Save the file as UTF-8.",
)
SKILL_MD_MISCASED: Final = Kind(
    "skill_md_miscased", _ERROR,
    "This skill is not served: its file must be called exactly SKILL.md.",
    "Rename it to SKILL.md.",
)
FRONTMATTER_INVALID: Final = Kind(
    "frontmatter_invalid", _ERROR,
    "This skill is not served: its frontmatter cannot be read at line {line}: {why}.",
    "Correct the YAML between the two lines of ---. A text with a colon, a # or a bracket in it needs quotes.",
)
FRONTMATTER_MISSING: Final = Kind(
    "frontmatter_missing", _WARNING,
    "This skill has no frontmatter, so that Claude Code offers it only as a slash command.",
    "Begin the file with --- and a `description` that says what the skill does and when to use it.",
)
DESCRIPTION_MISSING: Final = Kind(
    "description_missing", _WARNING,
    "This skill has no description, so that Claude Code offers it only as a slash command.",
    "Add one line `description:` that says what the skill does and when to use it.",
)
SKILL_MISSING: Final = Kind(
    "skill_missing", _ERROR,
    "The plugin “{plugin}” lists “{listed}”, where there is no SKILL.md, nor in the folders directly below.",
    "Correct the path under `skills`, letter case included, or add the file.",
)
SKILL_PATH_REFUSED: Final = Kind(
    "skill_path_refused", _ERROR,
    "The plugin “{plugin}” lists the skill “{listed}”, whose path {why}.",
    "Name a folder inside the plugin, such as \"./skills/name\".",
)
SKILL_NOT_LISTED: Final = Kind(
    "skill_not_listed", _WARNING,
    "This SKILL.md is not served as a skill: no plugin lists it.",
    "List its folder under `skills` of a plugin, or move it into the `skills` folder of one. Leave it if that is meant.",
)
TOO_MANY_SKILLS: Final = Kind(
    "too_many_skills", _ERROR,
    "Skills of the plugin “{plugin}” are not served: the catalog has more than {limit}.",
    "Remove skills, or divide the repository into two marketplaces.",
)

# Advice for other clients.

BYTE_ORDER_MARK: Final = Kind(
    "byte_order_mark", _ADVICE,
    "The file begins with a byte-order mark, which some clients take for text before the frontmatter.",
    "Save it as UTF-8 without a byte-order mark.",
)
WINDOWS_LINE_ENDS: Final = Kind(
    "windows_line_ends", _ADVICE,
    "The file has Windows line ends, with which some clients find no frontmatter.",
    "Save it with Unix line ends (LF).",
)
PLUGIN_NAME_DIFFERS: Final = Kind(
    "plugin_name_differs", _ADVICE,
    "plugin.json calls this plugin “{own}”, marketplace.json calls it “{name}”. It is served as “{name}”.",
    "Write the same name in both.",
)
PLUGIN_NAME_RESERVED: Final = Kind(
    "plugin_name_reserved", _ADVICE,
    "The plugin's name “{name}” begins with “{prefix}”, which `claude plugin validate` refuses. It can be installed.",
    "Choose another name if you publish this plugin elsewhere.",
)
SKILL_NAME_DIFFERS: Final = Kind(
    "skill_name_differs", _ADVICE,
    "The frontmatter calls this skill “{own}”, its folder “{name}”. It is served as “{name}”.",
    "Write the folder's name as `name`: some clients refuse a skill where they differ.",
)
SKILL_NAME_NOT_PORTABLE: Final = Kind(
    "skill_name_not_portable", _ADVICE,
    "Some clients refuse the skill's name “{name}”.",
    "Use up to 64 lower-case letters and digits, with single hyphens between them.",
)
DESCRIPTION_LONG: Final = Kind(
    "description_long", _ADVICE,
    "The description has {count} characters; some clients take no more than {limit}.",
    "Say what the skill does and when to use it in fewer words; the rest belongs into the text below.",
)
