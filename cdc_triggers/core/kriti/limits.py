"""How much work may one request's templates make? What they have left is counted here.

The figures are bounds for a loop that must go on: measured on one slow core, all steps take less
than a quarter of a second, and reading and writing the largest body about as long.
"""

from __future__ import annotations

from cdc_triggers.core.problems import Place
from cdc_triggers.errors import TemplateError

SOURCE_CHARACTERS = 65_536
"""The longest template."""

DEPTH = 64
"""How deep what a template says may be nested."""

CHAIN = 200
"""How many lookups and operators may follow each other, nesting included."""

STEPS = 100_000
"""For all templates of one request together: a step is one expression evaluated, once per turn of
a `range`, or one element, or so many characters, that a function handles."""

CHARACTERS_PER_STEP = 50
WRITTEN_CHARACTERS_PER_STEP = 10
"""For text that is made bit by bit, which takes longer than copying: JSON in a text, words with a
capital, what is percent-encoded, and all that goes into a URL, a query, a header or a form."""

INPUT_BYTES = 8 * 1024 * 1024
"""The largest body that a template may read."""

INPUT_NUMBERS = 250_000
"""Numbers in it: each is kept with its digits, and so takes more time and memory than the rest."""

VALUES = 500_000
"""Values of any kind in the body, and in the JSON that a template makes: two bytes may be one."""

OUTPUT_BYTES = 8 * 1024 * 1024
"""The largest JSON that a template may make."""

START = Place(1, 1)


class Budget:
    """The steps that are left; mutable."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def charge(self, steps: int, place: Place = START) -> None:
        """Take steps.

        Raises:
            TemplateError: there are not so many left.
        """
        self.left -= steps
        if self.left < 0:
            raise TemplateError(
                f"takes more than {STEPS} steps: loop over less, or send what it reads as it is",
                place,
            )

    def charge_text(self, characters: int, place: Place) -> None:
        """Take what reading or making so much text costs, before it is made."""
        self.charge(characters // CHARACTERS_PER_STEP, place)

    def charge_written(self, characters: int, place: Place) -> None:
        """Take what making so much text bit by bit costs, before it is made."""
        self.charge(characters // WRITTEN_CHARACTERS_PER_STEP, place)

    @property
    def characters(self) -> int:
        """How much JSON could still be written."""
        return max(0, self.left) * WRITTEN_CHARACTERS_PER_STEP
