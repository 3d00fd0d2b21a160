"""Words by language that tell what a text is about: when something was, what was said before, and who speaks."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import chain
from typing import NamedTuple

from memgpt_agent.text.languages import languages_of


class Cues(NamedTuple):
    """The cues of one language, as regular expressions in small letters; months and days as they are written."""

    asks_when: str
    """What a question begins with, or holds, that is answered by a time."""
    says_when: str
    """What a time is named by that is counted from the day on which it is said."""
    refers_back: str
    """What refers to what was said before."""
    days_back: Mapping[str, int]
    """Days before today, by name."""
    last: Mapping[str, str]
    """The week, month or year before this one, by name: which of the three."""
    months: str
    """The months' names from the first to the last, with spaces between; empty if they are numbers."""
    weekdays: str
    """What the days of the week are named by."""
    me: str
    """Who speaks of themselves."""
    mine: str = ""
    """What is theirs; empty where names are not inflected so."""
    third: str = ""
    """The pronouns that mean the person who was named, as one expression: whose, and who."""


CUES: Mapping[str, Cues] = {
    "en": Cues(
        r"when|how long|since when|(?:what|which) (?:year|month|date|day|time)|in (?:what|which) (?:year|month)",
        r"yesterday|today|tonight|tomorrow|recently|ago|(?:last|next|this|past) (?:night|week|weekend|month|year|summer|winter|spring|fall"
        r"|autumn|morning|evening)s?|(?:a|two|three|four|five|six|few|couple of|several) (?:days?|weeks?|months?|years?)",
        r"remember|recall|remind|earlier|previous(?:ly)?|last (?:time|night|week|month|year)|back then|the other day"
        r"|(?:i|you|we) (?:said|told|mentioned|promised|talked|discussed|agreed|decided)",
        {"yesterday": 1, "last night": 1, "today": 0},
        {"last week": "week", "last month": "month", "last year": "year"},
        "january february march april may june july august september october november december",
        "(?:mon|tues|wednes|thurs|fri|satur|sun)day", "I", "my", r"(?P<whose>her|his)|she|he",
    ),
    "de": Cues(
        r"wann|seit wann|wie lange|(?:in|an|zu) welche[mnrs]? (?:jahr|monat|tag|datum|zeit)|welche[mnrs]? (?:jahr|monat|tag|datum)",
        r"gestern|vorgestern|heute|morgen|neulich|kürzlich|vor (?:\w+ )?(?:tag|woche|monat|jahr)\w*|(?:letzt|nächst|vorig|dies"
        r"|vergangen)e[nmrs]? (?:nacht|woche|wochenende|monat|jahr|sommer|winter|frühling|herbst|morgen|abend)s?",
        r"erinner\w*|weißt du noch|früher|damals|neulich|letzte[ns]? (?:mal|woche|monat|jahr)|vorhin|vorher"
        r"|(?:ich|du|wir) (?:habe?n?|hast|hatte[nst]?) (?:\w+ ){0,4}(?:gesagt|erzählt|erwähnt|versprochen|besprochen|vereinbart"
        r"|entschieden)",
        {"gestern": 1, "vorgestern": 2, "heute": 0, "letzte nacht": 1},
        {"letzte woche": "week", "letzten monat": "month", "letztes jahr": "year", "vorige woche": "week", "im letzten jahr": "year"},
        "januar februar märz april mai juni juli august september oktober november dezember",
        "(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|sonnabend", "ich",
    ),
    "es": Cues(
        r"cu[áa]ndo|desde cu[áa]ndo|cu[áa]nto tiempo|(?:en )?qu[ée] (?:año|mes|día|fecha)",
        r"ayer|anteayer|hoy|mañana|anoche|recientemente|hace (?:\w+ )?(?:días?|semanas?|meses|mes|años?)|(?:la"
        r"|el) (?:\w+ )?(?:semana|mes|año|noche|verano"
        r"|invierno|fin de semana) (?:pasad[oa]|que viene|próxim[oa])|(?:este|esta) (?:semana|mes|año|noche|mañana)",
        r"recuerdas?|acuerdas|antes|anteriormente|la última vez|la semana pasada|el (?:mes|año|otro día) ?(?:pasado)?|entonces"
        r"|(?:te|me|nos) (?:dije|dijiste|conté|contaste|prometiste|mencioné)|(?:hablamos|acordamos|decidimos|quedamos)",
        {"ayer": 1, "anteayer": 2, "hoy": 0, "anoche": 1},
        {"la semana pasada": "week", "el mes pasado": "month", "el año pasado": "year"},
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "lunes|martes|miércoles|jueves|viernes|sábado|domingo", "yo",
    ),
    "fr": Cues(
        r"quand|depuis quand|combien de temps|(?:en |à )?quel(?:le)? (?:année|mois|jour|date)",
        r"hier|avant-hier|aujourd['’]hui|demain|récemment|il y a (?:\w+ )?(?:jours?|semaines?|mois|ans?)|(?:la semaine|le mois"
        r"|l['’]année|l['’]été|l['’]hiver"
        r"|le week-end|la nuit) (?:derni[èe]re?|prochaine?|passée?)|(?:cette semaine|ce mois|cette année|ce matin|ce soir)",
        r"rappell?es?|souviens|auparavant|tout à l['’]heure|la dernière fois|la semaine dernière|le mois dernier"
        r"|l['’]an(?:née)? derni(?:er|ère)|l['’]autre jour"
        r"|(?:j['’]ai|tu (?:m['’])?as|on a|nous avons|je t['’]ai) (?:dit|raconté|mentionné|promis|parlé|discuté|convenu|décidé)",
        {"hier": 1, "avant-hier": 2, "aujourd'hui": 0, "aujourd’hui": 0},
        {"la semaine dernière": "week", "le mois dernier": "month", "l'année dernière": "year", "l’année dernière": "year",
         "l'an dernier": "year"},
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche", "je",
    ),
    "it": Cues(
        r"quando|da quando|quanto tempo|(?:in )?(?:che|quale) (?:anno|mese|giorno|data)",
        r"ieri|l['’]altro ieri|oggi|domani|recentemente|stasera|(?:giorni|settimane?|mesi|mese|anni|anno) fa"
        r"|(?:la settimana|il mese|l['’]anno|l['’]estate|l['’]inverno|il weekend) (?:scors[oa]|prossim[oa]|passat[oa])"
        r"|quest['’oa] ?(?:settimana|mese|anno)",
        r"ricordi?|rammenti|prima|in precedenza|l['’]ultima volta|la settimana scorsa|il mese scorso|l['’]anno scorso"
        r"|l['’]altro giorno|allora"
        r"|(?:ho|hai|abbiamo) (?:detto|raccontato|promesso|menzionato|parlato|discusso|deciso|concordato)",
        {"ieri": 1, "l'altro ieri": 2, "l’altro ieri": 2, "oggi": 0},
        {"la settimana scorsa": "week", "il mese scorso": "month", "l'anno scorso": "year", "l’anno scorso": "year"},
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica", "io",
    ),
    "pt": Cues(
        r"quando|desde quando|quanto tempo|(?:em )?que (?:ano|mês|dia|data)",
        r"ontem|anteontem|hoje|amanhã|recentemente|há (?:\w+ )?(?:dias?|semanas?|meses|mês|anos?)|(?:na|no|a|o) (?:semana|mês"
        r"|ano|verão|inverno|fim de semana)"
        r" (?:passad[oa]|que vem|próxim[oa])|(?:esta|este|nesta|neste) (?:semana|mês|ano|noite|manhã)",
        r"lembr\w+|recorda\w*|antes|anteriormente|da última vez|(?:na|a) semana passada|(?:no|o) (?:mês|ano) passado|outro dia"
        r"|(?:eu|você) (?:te |me |lhe )?(?:disse|contou|contei|prometeu|mencionou|mencionei)|(?:conversamos|combinamos|decidimos|falamos)",
        {"ontem": 1, "anteontem": 2, "hoje": 0},
        {"na semana passada": "week", "semana passada": "week", "mês passado": "month", "ano passado": "year"},
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "segunda-feira|terça-feira|quarta-feira|quinta-feira|sexta-feira|sábado|domingo", "eu",
    ),
    "nl": Cues(
        r"wanneer|sinds wanneer|hoe lang|(?:in|op) welke? (?:jaar|maand|dag|datum)|welke? (?:jaar|maand|dag|datum)",
        r"gisteren|eergisteren|vandaag|morgen|onlangs|(?:dagen|weken|maanden|jaar|week|maand|dag) geleden|(?:vorige?|volgende?"
        r"|afgelopen|deze) (?:nacht|week|weekend"
        r"|maand|jaar|zomer|winter|lente|herfst)",
        r"herinner\w*|weet je nog|eerder|vroeger|destijds|(?:de )?vorige (?:keer|week|maand)|vorig jaar|laatst|toen"
        r"|(?:ik|je|jij|we|wij) (?:heb|hebt|had|hebben) (?:\w+ ){0,4}(?:gezegd|verteld|genoemd|beloofd|besproken|afgesproken|besloten)",
        {"gisteren": 1, "eergisteren": 2, "vandaag": 0},
        {"vorige week": "week", "afgelopen week": "week", "vorige maand": "month", "vorig jaar": "year"},
        "januari februari maart april mei juni juli augustus september oktober november december",
        "(?:maan|dins|woens|donder|vrij|zater|zon)dag", "ik",
    ),
    "zh": Cues(
        "什么时候|何时|哪[一]?[年天月日]|几[月号]|多久|多长时间",
        "昨天|前天|今天|明天|昨晚|最近|刚刚|[上下这本][个]?(?:周|星期|月|周末)|去年|今年|明年|前年|[几两一二三四五六七八九十\\d]+(?:天|周|个月|年)[之]?前",
        "记得|还记|以前|之前|上次|那天|当时|刚才|[上][个]?(?:周|星期|月)|去年|[我你]们?(?:说过|提过|告诉过|答应|讨论过|约定|决定)",
        {"昨天": 1, "昨晚": 1, "前天": 2, "今天": 0},
        {"上周": "week", "上个星期": "week", "上星期": "week", "上个月": "month", "去年": "year"},
        "", "星期[一二三四五六日天]|周[一二三四五六日]", "我",
    ),
    "ja": Cues(
        "いつ|何年|何月|何日|何曜日|どのくらい(?:の間|前)?|どれくらい",
        "昨日|一昨日|おととい|今日|明日|昨夜|最近|先ほど|[先今来]週末?|先月|今月|来月|去年|昨年|今年|来年|[\\d一二三四五六七八九十数]+(?:日|週間|[かヶ]月|年)前",
        "覚えて|思い出|以前|前に|前回|この前|先日|あの時|さっき|先週|先月|去年|(?:言|話し|伝え|約束し|決め)(?:って|いまし|た|ました)(?:た)?(?:よね|こと|っけ)",
        {"昨日": 1, "昨夜": 1, "一昨日": 2, "おととい": 2, "今日": 0},
        {"先週": "week", "先月": "month", "去年": "year", "昨年": "year"},
        "", "[月火水木金土日]曜日?", "私",
    ),
    "ko": Cues(
        "언제|몇 ?년|몇 ?월|며칠|무슨 요일|얼마나 오래|얼마 동안",
        "어제|그저께|오늘|내일|어젯밤|최근|방금|지난 ?(?:주|달|해|주말|밤)|이번 ?(?:주|달|해)|다음 ?(?:주|달|해)"
        "|작년|올해|내년|[\\d한두세네몇]+ ?(?:일|주|달|개월|년) ?전",
        "기억|예전|이전에|전에|지난번|지난 ?(?:주|달)|작년|그때|아까|(?:말했|얘기했|약속했|언급했|정했|말한|얘기한)",
        {"어제": 1, "어젯밤": 1, "그저께": 2, "오늘": 0},
        {"지난주": "week", "지난 주": "week", "지난달": "month", "지난 달": "month", "작년": "year"},
        "", "[월화수목금토일]요일", "나",
    ),
}  # fmt: skip
"""By language (ISO 639-1)."""

_UNSPACED = {"zh", "ja", "ko"}
_QUESTION_CHARS = 500
"""So much of a question is looked at: what is longer is a text, not a question."""
_MARKS = r"[?？؟;]"
_NUMBERED = re.compile(
    r"\b(?P<y>(?:19|20)\d\d)-(?P<m>[01]?\d)(?:-(?P<d>[0-3]?\d))?\b"
    r"|(?:(?P<cy>(?:19|20)\d\d)\s*[年년]\s*)?(?P<cm>1?\d)\s*[月월](?:\s*(?P<cd>[1-3]?\d)\s*[日号일])?"
)
_IN_WORDS = re.compile(
    r"(?:\b(?P<before>[0-3]?\d)(?:st|nd|rd|th|er|\.|º)?\s+(?:of |de |d['’])?)?"
    r"\b(?P<month>{months})\b(?:\s+(?P<behind>[0-3]?\d)(?:st|nd|rd|th)?\b(?!\d))?"
    r"(?:,?\s*(?:of |de |del )?(?P<year>(?:19|20)\d\d)\b)?".format(months="|".join(m for c in CUES.values() for m in c.months.split()))
)
_BEFORE_MONTH = re.compile(r"\b(?:in|of|since|last|next|until|till|by|early|late|during|for|from|this) $")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_MONTHS = {name: place + 1 for cues in CUES.values() for place, name in enumerate(cues.months.split())}


@cache
def _any_of(field: str, *, first: bool = False) -> re.Pattern[str]:
    """Return what finds a cue of any language; words of spaced scripts stand whole, and before any other where ``first`` is set."""
    spaced = "|".join(getattr(cues, field) for language, cues in CUES.items() if language not in _UNSPACED)
    unspaced = "|".join(getattr(cues, field) for language, cues in CUES.items() if language in _UNSPACED)
    before = r"^\W*" if first else r"(?<!\w)"
    return re.compile(rf"{before}(?:{spaced})(?!\w)|{unspaced}", re.IGNORECASE)


def asks_when(question: str) -> bool:
    """Whether a question is answered by a time."""
    return bool(_any_of("asks_when", first=True).search(question[:_QUESTION_CHARS]))


def says_when(text: str) -> bool:
    """Whether a text names a time: a date, a weekday, a month, a year, or one that is counted from the day on which it is said."""
    if _any_of("says_when").search(text) or _any_of("weekdays").search(text) or _NUMBERED.search(text) or _YEAR.search(text):
        return True
    return any(not _is_a_verb(found) for found in _IN_WORDS.finditer(text.lower()))


def refers_back(text: str) -> bool:
    """Whether a text asks something, or refers to what was said before."""
    return bool(re.search(_MARKS, text) or _any_of("refers_back").search(text))


def asked_span(question: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the first and the last moment of the time that a question names, in the zone of ``now``; ``None`` if it names none.

    A month without a year is the last one of that name. A day that is not a day of the calendar names nothing.
    """
    text, today, zone = question[:_QUESTION_CHARS].lower(), now.date(), now.tzinfo or UTC
    for first, last in chain(_named_days(text, today), _dates(text, today)):
        return datetime.combine(first, time.min, zone), datetime.combine(last, time.max, zone)
    return None


def _named_days(text: str, today: date) -> Iterator[tuple[date, date]]:
    for language, cues in CUES.items():
        for name in (*cues.days_back, *cues.last):
            if name not in text or (language not in _UNSPACED and not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)):
                continue
            if name in cues.days_back:
                day = today - timedelta(cues.days_back[name])
                yield day, day
            elif cues.last[name] == "week":
                monday = today - timedelta(today.weekday() + 7)
                yield monday, monday + timedelta(6)
            elif cues.last[name] == "month":
                end = today.replace(day=1) - timedelta(1)
                yield end.replace(day=1), end
            else:
                yield date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)


def _dates(text: str, today: date) -> Iterator[tuple[date, date]]:
    for found in (*_IN_WORDS.finditer(text), *_NUMBERED.finditer(text)):
        part = found.groupdict()
        month = _MONTHS.get(part.get("month") or "") or int(part.get("m") or part.get("cm") or 0)
        day = int(part.get("before") or part.get("behind") or part.get("d") or part.get("cd") or 0)
        year = int(part.get("year") or part.get("y") or part.get("cy") or 0)
        if found.re is _IN_WORDS and _is_a_verb(found):
            continue
        if not year:
            year = today.year if month <= today.month else today.year - 1
        try:
            first = date(year, month, day or 1)
        except ValueError:
            continue
        yield first, first if day else (first.replace(day=28) + timedelta(4)).replace(day=1) - timedelta(1)


def _is_a_verb(month: re.Match[str]) -> bool:
    alone = not (month["before"] or month["behind"] or month["year"])
    return alone and month["month"] in {"may", "march"} and not _BEFORE_MONTH.search(month.string[: month.start()])


def in_first_person(question: str, name: str) -> str:
    """Return a question about a person as that person would ask it of themselves, which is nearer to what they said.

    **Limits**: one pronoun for all cases; possessives only in English. A question of more than 500 characters stays as it is.
    """
    if len(question) > _QUESTION_CHARS:
        return question
    cues = CUES[next((one for one in languages_of(question, question.lower().split()) if one in CUES), _script_of(question))]

    def ours(found: re.Match[str]) -> str:
        return cues.mine if found.lastindex and found.group("whose") and cues.mine else cues.me

    whole = r"(?<!\w){}(?P<whose>['’]s)?(?!\w)" if name[-1:].isascii() else "{}"
    text = re.sub(whole.format(re.escape(name)), ours, question, flags=re.IGNORECASE)
    return re.sub(rf"\b(?:{cues.third})\b", ours, text, flags=re.IGNORECASE) if cues.third else text


def _script_of(text: str) -> str:
    if re.search("[\u3040-\u30ff]", text):
        return "ja"
    if re.search("[\uac00-\ud7af]", text):
        return "ko"
    return "zh" if re.search("[\u4e00-\u9fff]", text) else "en"
