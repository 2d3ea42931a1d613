"""A pass as pages draw it: what its macros in `templates/face.html` need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from babel import Locale
from markupsafe import Markup

from services.gateway.catalogue.showcase import Shown
from services.gateway.routes.pages.codes import draw_barcode
from services.gateway.routes.pages.languages import wording_language
from services.gateway.routes.pages.pass_fields import BACK_GROUPS, WrittenField, write_fields
from services.gateway.routes.pages.visitors import Device
from services.gateway.routes.pages.wording import WORDINGS
from services.gateway.usecases import passes
from shared import clock
from shared.contracts.triggers import Pass
from shared.passes.schema.colours import normalise_colour
from shared.passes.schema.formats import find_locale
from shared.passes.schema.localization import primary_language
from shared.passes.template.display import Display

WHITE = "rgb(255, 255, 255)"
BLACK = "rgb(0, 0, 0)"


@dataclass(frozen=True, slots=True)
class Face:
    """A composed pass whose texts are final, and by which links a wallet gets it."""

    display: Display
    groups: Mapping[str, Sequence[WrittenField]]
    code: Markup | None
    images: Mapping[str, str]
    colours: Mapping[str, str]
    language: str
    device: Device
    file_url: str = ""
    google_url: str = ""
    is_voided: bool = False
    is_expired: bool = False
    is_development: bool = False

    @classmethod
    def of(
        cls,
        shown: Shown,
        accepted: Sequence[str],
        *,
        device: Device = "other",
        issued: Pass | None = None,
        has_google: bool = False,
    ) -> Self:
        """Draw a pass; without one that was issued, what a template's passes look like."""
        display = shown.display
        is_over = shown.is_expired or (issued is not None and issued.voided)
        own = [shown.language] if shown.language else []
        words = WORDINGS[wording_language(*(own or accepted))]
        path = f"/p/{issued.handle}" if issued else ""
        return cls(
            display=display,
            groups=write_fields(display.groups, _locale(shown.language, accepted), clock.now()),
            code=draw_barcode(display, words["pass_code"]),
            images=shown.images,
            colours={
                "background": normalise_colour(display.background_color) or WHITE,
                "foreground": normalise_colour(display.foreground_color) or BLACK,
                "label": normalise_colour(display.label_color) or BLACK,
            },
            language=shown.language,
            device=device,
            file_url=f"{path}{passes.FILE_SUFFIX}",
            google_url=f"{path}/google" if has_google and not is_over else "",
            is_voided=issued is not None and issued.voided,
            is_expired=shown.is_expired,
            is_development=shown.is_development,
        )

    @property
    def is_over(self) -> bool:
        return self.is_voided or self.is_expired

    @property
    def back(self) -> list[WrittenField]:
        """What stands on its back."""
        return [entry for group in BACK_GROUPS for entry in self.groups.get(group, [])]

    def words(self, accepted: Sequence[str]) -> str:
        """Give the language of our own words around it: that of the pass, or the reader's."""
        return wording_language(*([self.language] if self.language else accepted))


def _locale(language: str, accepted: Sequence[str]) -> Locale:
    """Return how the reader writes numbers: de-AT where German is shown to an Austrian."""
    if not language:
        return find_locale(*accepted)
    primary = primary_language(language)
    return find_locale(*(tag for tag in accepted if primary_language(tag) == primary), language)
