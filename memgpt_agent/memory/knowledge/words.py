"""Normal forms of names and relations, and the relations that hold one object at a time."""

import hashlib
import re
import unicodedata

MAX_NAME_CHARS = 200
"""A subject or object is a name or a short value; longer text belongs into archival memory."""
MAX_RELATION_CHARS = 100

_ARTICLE = re.compile(r"^(?:the|an|a) (?=\S)")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "_": " "})
_AUXILIARY = re.compile(r"^(?:is|are|has|have|does|do|now|currently|also) (?=\S)")
_ALIAS_RELATIONS = frozenset(
    {
        "aka",
        "alias",
        "alias is",
        "known as",
        "called",
        "goes by",
        "same as",
        "the same as",
        "same person as",
        "nickname",
        "nickname is",
        "nicknamed",
    }
)

_ONE_AT_A_TIME: dict[str, tuple[str, ...]] = {
    "lives in": ("live in", "living in", "lives at", "resides in", "residing in", "resident of", "based in", "home", "home town", "hometown",
                 "home city", "moved to", "relocated to", "residence", "lives on"),
    "works at": ("work at", "working at", "works for", "work for", "working for", "employed by", "employed at", "employer", "employer is",
                 "works in company"),
    "works as": ("work as", "working as", "job", "job is", "occupation", "occupation is", "profession", "profession is", "job title"),
    "married to": ("spouse", "spouse is", "husband", "husband is", "wife", "wife is", "married"),
    "partner": ("partner is", "dating", "engaged to", "boyfriend", "boyfriend is", "girlfriend", "girlfriend is", "in relationship with"),
    "age": ("aged", "age is", "years old"),
    "born in": ("birthplace", "place of birth", "birthplace is"),
    "born on": ("birthday", "birthday is", "date of birth", "birth date"),
    "phone number": ("phone", "phone is", "phone number is", "telephone"),
    "email": ("email is", "email address", "email address is", "e-mail", "e-mail is"),
    "address": ("address is", "home address"),
    "status": ("status is",),
    "located in": ("located at", "location", "location is", "situated in"),
    "managed by": ("boss", "boss is", "manager", "manager is", "reports to", "led by"),
    "owned by": ("owner", "owner is", "belongs to"),
    "due on": ("deadline", "deadline is", "due", "due date", "scheduled for"),
    "capital": ("capital is",),
    "costs": ("price", "price is", "cost"),
    "weighs": ("weight", "weight is"),
    "height": ("height is", "tall"),
    "marital status": ("relationship status",),
}  # fmt: skip
"""Relations that hold one object at a time, each with the other ways of saying it."""
_SLOT_OF = {said: slot for slot, ways in _ONE_AT_A_TIME.items() for said in (slot, *ways)}
_SINGULAR = re.compile(
    r"^(?:favou?rite|preferred|current|primary|main|first|last|full|middle) .+|^(?:favou?rite|name|title|version)(?: is)?$"
)


def normal_name(text: str) -> str:
    """Return the form in which two ways of writing one name are equal: case, spaces, quotes, a leading article."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold()
    plain = " ".join(plain.split()).strip(" \"',;:!?.")
    return _ARTICLE.sub("", plain)


def entity_id(name: str) -> str:
    """Return the id of the entity that is called ``name``; equal for names whose normal forms are."""
    return f"entity-{hashlib.sha256(normal_name(name).encode()).hexdigest()[:16]}"


def normal_relation(text: str) -> str:
    """Return a relation in lower case with single spaces, without a leading auxiliary: ``is_married_to`` is ``married to``.

    A past tense stays: ``was married to`` is another relation, and contradicts nothing that holds now.
    """
    plain = " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTES).replace("-", " ").casefold().split()).strip(
        " :.,"
    )
    return _AUXILIARY.sub("", _AUXILIARY.sub("", plain))


def slot_of(relation: str) -> tuple[str, bool]:
    """Return under which name a relation is kept apart from others, and whether it holds one object at a time.

    **Limits**: a list of well-known English relations and a few patterns; of any other relation several objects hold
    side by side, unless whoever inserts says otherwise.
    """
    plain = normal_relation(relation)
    if plain in _SLOT_OF:
        return _SLOT_OF[plain], True
    plain = plain.replace("favorite", "favourite")
    if _SINGULAR.match(plain):
        return plain.removesuffix(" is"), True
    return plain, False


def is_alias(relation: str) -> bool:
    """Whether a relation says that two names mean one entity."""
    return normal_relation(relation) in _ALIAS_RELATIONS


def is_value(text: str) -> bool:
    """Whether an object is a number, a date or the like: it is not an entity that could join two others."""
    return (
        not any(char.isalpha() for char in text)
        or re.fullmatch(r"(?i)true|false|yes|no|none|unknown", text.strip()) is not None
    )
