"""Languages other than English for the word search: detecting the language of a text, and stemming its words."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from memgpt_agent.text.english import FUNCTION_WORDS as ENGLISH

# Without accents, as words are folded.
_WORDS: Mapping[str, str] = {
    "de": """aber als auch auf aus bei bin bis da das dass dem den der des dich dir doch du ein eine einem einen einer eines er es euch
        fur hab habe haben hat hatte ich ihm ihn ihr ihre im ins ist ja kann kein keine konnen mein meine meinem meinen meiner mich mir
        mit nach nicht noch nun nur oder ohne sein seine seit sich sie
        sind uber um und uns unser unsere unter vom von vor wann warum was
        welche welchem welchen welcher wem wen wer werden wie wieviel wir wird wo wurde zu zum zur""",
    "es": """al como con cual cuales cuando cuanto cuantos de del desde donde el ella ellos en era es esa ese esta estan este esto estoy fue
        ha hace han hasta hay he la las le les lo los mas me mi mis muy nos nosotros nuestra nuestro para pero por porque que quien
        se ser si sin sobre son soy su sus te tengo tiene tu tus un una unos y ya yo""",
    "fr": """alors au aux avec avons ce ces cet cette chez comme comment dans de depuis des dois du elle elles en est et etait etre eu
        faut il ils
        j je l la le les leur lui ma mais mes moi mon ne nos notre nous
        ont ou par pas pendant pour pourquoi qu quand que quel quelle
        quelles quels qui sa sans se ses si son sont suis sur ta te tes toi ton tu un une vos votre vous y""",
    "it": """al alla alle anche che chi ci come con cosa da dal dalla dei del della delle dello di dopo dove e ed era fa gli ha hai hanno ho
        i il in io l la le lei lo loro lui ma mi mia mie miei mio ne nei nel nella noi non nostra nostro o ogni per perche piu qual quale
        quali quando quanti quanto quella quello questa questo se sei si sono sta su sua sue sul sulla suo ti tra tu tua tuo un una uno
        voi""",
    "nl": """aan al als bij dan dat de deze die dit doen door een en er ga geen had haar heb hebben heeft het hij hoe hoeveel ik is je jij
        kan maar me mee met mij mijn moet na naar niet nog nu om omdat onder ons onze ook op over sinds te toen tot uit van veel voor waar
        waarom wanneer want was wat we welk welke wie wij wordt zal ze zich zij zijn zo zou""",
    "pt": """a ao aos as com como da das de deles desde do dos e ela ele eles em entre era essa esse esta estao estou eu foi ha isso isto
        ja la lhe
        mais mas me meu meus minha minhas muito na nao nas nem no nos nossa nosso o os ou para pela pelo por porque qual quais quando
        quantos que quem sao se sem ser seu seus so sua suas tem tenho ter um uma voce""",
}
FUNCTION_WORDS: Mapping[str, frozenset[str]] = {"en": ENGLISH, **{name: frozenset(words.split()) for name, words in _WORDS.items()}}
"""Articles, pronouns, auxiliaries, prepositions and question words by language (ISO 639-1), accents off."""

LANGUAGES = (*_WORDS, "ru", "ar")
"""Those that :func:`languages_of` tells from English."""
_SHARED = ENGLISH & frozenset(word for words in _WORDS.values() for word in words.split())
_TELLING: Mapping[str, frozenset[str]] = {name: words - _SHARED for name, words in FUNCTION_WORDS.items()}
"""The function words that identify a language: without those that English shares with another language."""
_SNOWBALL = {"de": "german", "es": "spanish", "fr": "french", "it": "italian", "nl": "dutch", "pt": "portuguese", "ru": "russian"}
_LATIN = tuple(_WORDS)
_SIGNS = {"de": re.compile("[äöüßÄÖÜ]"), "es": re.compile("[ñ¿¡Ñ]"), "pt": re.compile("[ãõÃÕ]"), "fr": re.compile("[œêëîûœ]|\\b[ldjcnsmt]['’]")}
_CYRILLIC = re.compile("[\u0400-\u052f]")
_ARABIC = re.compile("[\u0621-\u064a]")
_AL = ("وال", "بال", "كال", "فال", "ال", "لل")
_COMPOUNDING = frozenset({"de", "nl"})
_PART_CHARS = 4
_COMPOUND_CHARS = 9
_MOST_LANGUAGES = 3
_STEMS_KEPT = 65_536


def languages_of(text: str, words: Iterable[str]) -> tuple[str, ...]:
    """Return the language that a text is in, where that is not English; the two or three that it may as well be in; or nothing.

    By its script, else by function words: more of that language than of English and of every other one.

    Args:
        text: as it was written.
        words: its folded words.

    Limits:
        A few words without a function word among them are in no language. Every text in Cyrillic letters counts as Russian.
    """
    if not text.isascii():
        if _CYRILLIC.search(text):
            return ("ru",)
        if _ARABIC.search(text):
            return ("ar",)
    distinct = set(words)
    counts = {name: float(len(distinct & own)) for name, own in _TELLING.items()}
    for name, sign in _SIGNS.items() if not text.isascii() or "'" in text else ():
        counts[name] += 1.5 if sign.search(text) else 0.0
    most = max(counts.values())
    found = tuple(name for name, count in counts.items() if count == most)
    return () if not most or "en" in found or len(found) > _MOST_LANGUAGES else found


def stemmed(words: Sequence[str], language: str) -> list[str]:
    """Return the terms that folded words of a language have beside themselves: their stems, and the parts of long compounds."""
    own = FUNCTION_WORDS.get(language, frozenset())
    found = [_marked(word, language) for word in words if word not in own and _is_letters(word)]
    if language in _COMPOUNDING:
        found += [_part(word[:cut]) for word in words for cut in _cuts(word)]
        found += [_part(word[cut:]) for word in words for cut in _cuts(word)]
    return found


def kin_of(word: str, languages: Iterable[str]) -> list[str]:
    """Return the terms that a query's folded word is looked up by beside itself in texts of these languages."""
    if not _is_letters(word):
        return []
    script = "ru" if _CYRILLIC.search(word) else "ar" if _ARABIC.search(word) else None
    fitting = [one for one in languages if (one == script if script else one in _LATIN)]
    found = [_marked(word, one) for one in fitting]
    if len(word) >= _PART_CHARS and not _COMPOUNDING.isdisjoint(fitting):
        found.append(_part(word))
    return found


def mark_of(language: str) -> str:
    """Return the term that every text of a language has."""
    return f"0in0{language}0"


def _is_letters(word: str) -> bool:
    return len(word) > 1 and word.isalpha()


def _marked(word: str, language: str) -> str:
    """Return a word's stem as a term of its own, which no other word and no stemmer takes for one of theirs."""
    return f"{_stem(word, language)}0{language}0"


def _part(text: str) -> str:
    return f"{text}0part0"


def _cuts(word: str) -> range:
    return range(_PART_CHARS, len(word) - _PART_CHARS + 1) if len(word) >= _COMPOUND_CHARS and word.isalpha() else range(0)


@lru_cache(maxsize=_STEMS_KEPT)
def _stem(word: str, language: str) -> str:
    if language == "ar":  # Snowball's takes milliseconds a word; its article does nearly all that is needed
        return next((word[len(al) :] for al in _AL if word.startswith(al) and len(word) - len(al) >= 3), word)
    return str(_stemmer(language).stemWord(word))


@cache
def _stemmer(language: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(_SNOWBALL[language])
