"""What a writer expects of the document that it changes. Pure."""

from dataclasses import dataclass

from iotsphere.errors import Conflict, PreconditionFailed
from shadow.document import Document


@dataclass(frozen=True, slots=True)
class Expectation:
    """Whatever is None does not matter.

    Attributes:
        seen: the document version that the writer has read: holds while desired has not been written since. A device that reports
            meanwhile does no harm.
        version: must be the document's, exactly.
        exists: whether there must be a document, or must be none.
    """

    seen: int | None = None
    version: int | None = None
    exists: bool | None = None

    def check(self, base: Document) -> None:
        """Raises:
        PreconditionFailed: ``seen`` or ``exists`` does not hold.
        Conflict: ``version`` does not hold.
        """
        if self.exists is not None and self.exists is not base.exists:
            raise PreconditionFailed(
                "there is no such shadow yet" if self.exists else f"there is a shadow already: it is at version {base.version}"
            )
        if self.seen is not None and self.seen > base.version:
            raise PreconditionFailed(f"there is no version {self.seen} yet: the shadow is at {base.version}")
        if self.seen is not None and self.seen < base.desired_version:
            raise PreconditionFailed(f"desired was changed in version {base.desired_version}, after version {self.seen}")
        if self.version is not None and self.version != base.version:
            raise Conflict(f"version conflict: the version is {base.version}")


ANY = Expectation()
