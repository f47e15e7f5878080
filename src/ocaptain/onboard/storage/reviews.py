"""What other agents said of the work on claims, as ships tell it."""

from __future__ import annotations

from . import books
from .call import SHORT_LIMIT, amount, text
from .standing import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..protocol import Claim, Decision, Json, Review, ReviewRow
    from .call import Call

REVIEWS_LIMIT = 20
"""How many reviews of a claim are kept."""
WORDS_LIMIT = 4_000
"""Characters that are kept of what a reviewer said."""
DECISIONS: Mapping[str, Decision] = {"approve": "approve", "reject": "reject"}
"""What a review can come to, besides nothing."""


def note(call: Call, held: Claim) -> Claim:
    """Keep the `reviews` that a request tells of its claim. Returns the claim with them."""
    told = call.request.get("reviews")
    if not isinstance(told, list):
        return held
    kept = [_review(each) for each in told[:REVIEWS_LIMIT] if isinstance(each, dict)]
    noted: Claim = {**held, "reviews": kept}
    call.put_claim(noted)
    return noted


def _review(told: Json) -> Review:
    """Return a review, as far as it is of the right kind."""
    return {
        "agent": text(told, "agent", SHORT_LIMIT),
        "model": text(told, "model", SHORT_LIMIT) or None,
        "verdict": DECISIONS.get(text(told, "verdict"), "none"),
        "words": text(told, "words", WORDS_LIMIT),
        "commit": text(told, "commit", SHORT_LIMIT),
        "reviewed_at": amount(told, "reviewed_at"),
        "took_s": round(amount(told, "took_s"), 1),
        "cost_usd": round(amount(told, "cost_usd"), books.DIGITS),
        "usage": books.usage_in(told),
    }


def row(review: Review) -> ReviewRow:
    """Return a review as it is shown."""
    return {
        "agent": review["agent"],
        "model": review["model"],
        "verdict": review["verdict"],
        "words": review["words"],
        "commit": review["commit"],
        "reviewed": review["reviewed_at"],
        "reviewed_at": moment(review["reviewed_at"]) or "",
        "took_s": review["took_s"],
        "cost_usd": review["cost_usd"],
        "usage": books.rows(review["usage"]),
    }
