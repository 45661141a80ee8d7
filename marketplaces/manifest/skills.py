"""One skill: everything below its folder, whole or not at all."""

from marketplaces.manifest import findings
from marketplaces.manifest.display import brief, one_line
from marketplaces.manifest.frontmatter import read_frontmatter
from marketplaces.manifest.json_files import Json
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.names import NameRefused, checked_name, folded
from marketplaces.manifest.plan import PlannedFile, PlannedSkill
from marketplaces.manifest.plugin_files import PluginFiles
from marketplaces.manifest.portability import advise_on_skill
from marketplaces.manifest.report import NotServed, Report
from marketplaces.manifest.repository import Repository
from marketplaces.manifest.skill_index import skill_md_of
from marketplaces.manifest.versions import is_writable


class SkillPlanner:
    """Plans the skills of one plugin. `plugin_version` is theirs where they name none."""

    def __init__(
        self,
        plugin: str,
        files: PluginFiles,
        plugin_version: str,
        repository: Repository,
        limits: Limits,
        report: Report,
    ) -> None:
        self._plugin = plugin
        self._files = files
        self._plugin_version = plugin_version
        self._repository = repository
        self._limits = limits
        self._report = report
        self._names: set[str] = set()

    def plan(self, folder: str) -> PlannedSkill:
        """Plan the skill in `folder`, or raise `NotServed`."""
        name = self._name(folder)
        files = self._whole(name, folder)
        frontmatter = self._frontmatter(name, folder)
        path = self._files.in_repository(skill_md_of(folder))
        advise_on_skill(name, frontmatter, path, self._report)
        description = frontmatter.get("description")
        return PlannedSkill(
            name=name,
            folder=folder,
            description=one_line(description) if isinstance(description, str) else "",
            author_version=self._version(name, frontmatter, path),
            frontmatter=frontmatter,
            files=files,
        )

    def _name(self, folder: str) -> str:
        """Give the folder's name, the plugin's for its root: Claude Code does the same and ignores the frontmatter's."""
        name = folder.rpartition("/")[2] or self._plugin
        at = self._files.in_repository(folder)
        try:
            checked_name(name)
        except NameRefused as refusal:
            raise NotServed(findings.SKILL_NAME_REFUSED.at(at, name=name, why=refusal.why)) from None
        # A name stays taken when its skill is then refused: another one must not slip in under it.
        if (key := folded(name)) in self._names:
            raise NotServed(findings.SKILL_NAME_TAKEN.at(at, name=name, plugin=self._plugin))
        self._names.add(key)
        return name

    def _whole(self, name: str, folder: str) -> tuple[PlannedFile, ...]:
        """Give the skill's files, with paths relative to its folder, or raise `NotServed` if any is missing."""
        files, refused, limits = self._files.below(folder), self._files.refused_below(folder), self._limits
        at = self._files.in_repository(folder)
        if refused:
            first = refused[0].finding
            facts = {"name": name, "first": first.path, "why": first.reason}
            raise NotServed(findings.SKILL_REFUSED.at(at, count=len(refused), **facts))
        if len(files) > limits.skill_files:
            counts = {"count": len(files), "limit": limits.skill_files}
            raise NotServed(findings.SKILL_TOO_MANY_FILES.at(at, name=name, **counts))
        if (size := sum(file.size_bytes for file in files)) > limits.skill_bytes:
            raise NotServed(findings.SKILL_TOO_LARGE.at(at, name=name, size=size, limit=limits.skill_bytes))
        return self._files.moved(folder)

    def _frontmatter(self, name: str, folder: str) -> dict[str, Json]:
        file = self._files.by_path[skill_md_of(folder)]
        path = self._files.in_repository(file.path)
        if file.size_bytes > self._limits.skill_md_bytes:
            raise NotServed(
                findings.SKILL_MD_TOO_LARGE.at(path, name=name, limit=self._limits.skill_md_bytes)
            )
        frontmatter = read_frontmatter(self._repository.read(file.git_id), path, self._limits, self._report)
        if frontmatter is None:
            self._report(findings.FRONTMATTER_MISSING.at(path))
            return {}
        description = frontmatter.get("description")
        if not isinstance(description, str) or not description.strip():
            self._report(findings.DESCRIPTION_MISSING.at(path))
        return frontmatter

    def _version(self, name: str, frontmatter: dict[str, Json], path: bytes) -> str:
        metadata = frontmatter.get("metadata")
        for values in (frontmatter, metadata if isinstance(metadata, dict) else {}):
            version = values.get("version", "")
            if isinstance(version, str) and is_writable(version):
                return version
            if version:
                self._report(
                    findings.VERSION_IGNORED.at(path, version=brief(version), owner=f"the skill “{name}”")
                )
        return self._plugin_version
