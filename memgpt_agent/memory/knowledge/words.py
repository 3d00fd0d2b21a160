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
_OTHER_AUXILIARY = re.compile(r"^(?:ist|hat|wurde|es|está|fue|est|è|é|foi|werd) (?=\S)")
"""Taken off only to look a relation up: the slots of facts that are stored must stay what they are."""
_ALIASES = (
    "aka; alias; alias is; known as; called; goes by; same as; the same as; same person as; nickname; nickname is; nicknamed; "
    "auch bekannt als; bekannt als; auch genannt; genannt; spitzname; también conocido como; también conocida como; conocido como; "
    "conocida como; apodo; aussi connu sous le nom de; surnommé; surnommée; surnom; anche noto come; anche nota come; noto come; "
    "nota come; soprannome; também conhecido como; também conhecida como; conhecido como; conhecida como; apelido; ook bekend als; "
    "bekend als; bijnaam; 又名; 也叫; 别名; 昵称; 外号; 別名; 通称; あだ名; 별명; 별칭"
)
"""Relations that say that two names mean one entity, in ten languages."""
_ALIAS_RELATIONS = frozenset(_ALIASES.split("; "))

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
_IN_OTHER_LANGUAGES: dict[str, str] = {
    "lives in": "wohnt in; lebt in; wohnhaft in; zog nach; umgezogen nach; wohnort; vive en; reside en; se mudó a; se ha mudado a; habite à; "
        "habite en; vit à; vit en; réside à; a déménagé à; abita a; abita in; vive a; vive in; risiede a; si è trasferito a; "
        "si è trasferita a; mora em; vive em; reside em; mudou-se para; woont in; verhuisd naar; verhuisde naar; woonplaats; 住在; "
        "居住在; 居住于; 搬到; 搬到了; 居住地; 住んでいる; に住んでいる; 在住; に引っ越した; 살다; 에 살다; 에 산다; 살고 있다; "
        "에 살고 있다; 거주지; 로 이사했다",
    "works at": "arbeitet bei; arbeitet für; angestellt bei; arbeitgeber; trabaja para; empleado en; empleada en; travaille chez; "
        "travaille pour; employé par; employée par; employeur; lavora per; lavora presso; datore di lavoro; trabalha para; "
        "empregador; werkt bij; werkt voor; werkgever; 就职于; 任职于; 工作单位; 雇主; 勤務先; に勤めている; で働いている; 직장; "
        "근무지; 에서 일하다; 에서 일한다; 에 근무하다",
    "works as": "arbeitet als; beruf; von beruf; trabaja como; profesión; ocupación; travaille comme; profession; métier; lavora come; "
        "professione; mestiere; trabalha como; profissão; ocupação; werkt als; beroep; 职业; 职位; 職業; 仕事; 직업; 직책",
    "married to": "verheiratet mit; ehemann; ehefrau; ehepartner; ehepartnerin; casado con; casada con; marido; esposo; esposa; cónyuge; "
        "marié à; mariée à; marié avec; mariée avec; mari; épouse; époux; sposato con; sposata con; marito; moglie; casado com; "
        "casada com; getrouwd met; echtgenoot; echtgenote; 丈夫; 妻子; 配偶; 夫; 妻; と結婚している; 남편; 아내; 배우자",
    "partner": "partnerin; verlobt mit; liiert mit; pareja; novio; novia; en couple avec; compagnon; compagne; fiancé à; fiancée à; "
        "fidanzato con; fidanzata con; compagno; compagna; namorado; namorada; noivo; noiva; verloofd met; 男朋友; 女朋友; 男友; "
        "女友; 伴侣; 恋人; 彼氏; 남자친구; 여자친구; 애인; 연인",
    "age": "alter; edad; âge; età; idade; leeftijd; 年龄; 年齢; 나이; 연령",
    "born in": "geboren in; geburtsort; nacido en; nacida en; lugar de nacimiento; né à; née à; lieu de naissance; nato a; nata a; "
        "luogo di nascita; nascido em; nascida em; local de nascimento; geboren te; geboorteplaats; 出生地; 出身地; 출생지",
    "born on": "geboren am; geburtstag; geburtsdatum; cumpleaños; fecha de nacimiento; anniversaire; date de naissance; compleanno; "
        "data di nascita; aniversário; data de nascimento; geboren op; verjaardag; geboortedatum; 生日; 出生日期; 誕生日; 生年月日; "
        "생일; 생년월일",
    "phone number": "telefonnummer; telefon; handynummer; número de teléfono; teléfono; numéro de téléphone; téléphone; numero di telefono; "
        "telefono; número de telefone; telefone; telefoonnummer; telefoon; 电话; 电话号码; 手机号; 手机号码; 電話番号; 전화번호",
    "email": "e-mail-adresse; email-adresse; mailadresse; correo electrónico; courriel; adresse e-mail; adresse mail; indirizzo email; "
        "endereço de email; e-mailadres; 邮箱; 电子邮件; 电子邮箱; メールアドレス; 이메일; 이메일 주소",
    "address": "adresse; anschrift; dirección; domicilio; indirizzo; endereço; morada; adres; 地址; 住址; 住所; 주소",
    "status": "estado; statut; stato; 状态; 状態; 상태",
    "located in": "liegt in; befindet sich in; gelegen in; standort; ubicado en; ubicada en; ubicación; situé à; située à; se trouve à; "
        "situato a; situata a; si trova a; localizado em; localizada em; fica em; ligt in; gevestigd in; locatie; 位于; 所在地; "
        "にある; 위치; 에 위치하다",
    "managed by": "vorgesetzter; vorgesetzte; chef; chefin; geleitet von; jefe; jefa; dirigido por; dirigida por; dirigé par; dirigée par; "
        "capo; diretto da; diretta da; chefe; leidinggevende; baas; geleid door; 上司; 老板; 상사",
    "owned by": "gehört; besitzer; besitzerin; eigentümer; propietario; propietaria; dueño; dueña; pertenece a; propriétaire; appartient à; "
        "proprietario; appartiene a; dono; dona; pertence a; eigenaar; 所有者; 主人; 소유자; 주인",
    "due on": "fällig am; frist; abgabetermin; fecha límite; vence el; date limite; échéance; scadenza; prazo; data limite; inleverdatum; "
        "截止日期; 到期日; 締め切り; 締切; 期限; 마감일; 마감",
    "capital": "hauptstadt; capitale; hoofdstad; 首都; 수도",
    "costs": "kostet; preis; cuesta; precio; coûte; prix; costa; prezzo; custa; preço; kost; prijs; 价格; 售价; 値段; 価格; 가격",
    "weighs": "wiegt; gewicht; pesa; peso; pèse; poids; weegt; 体重; 重量; 몸무게; 체중; 무게",
    "height": "körpergröße; altura; estatura; altezza; 身高; 身長; 키",
    "marital status": "familienstand; estado civil; état civil; situation familiale; stato civile; burgerlijke staat; 婚姻状况; 혼인 상태",
    "name": "nombre; nom; nome; naam; 名字; 姓名; 名前; 이름",
}  # fmt: skip
"""The same in German, Spanish, French, Italian, Portuguese, Dutch, Chinese, Japanese and Korean; one wording of a relation fills one slot."""
_SINGULAR = re.compile(
    r"^(?:favou?rite|preferred|current|primary|main|first|last|full|middle) .+|^(?:favou?rite|name|title|version)(?: is)?$"
    r"|^lieblings\w+$|^lievelings\w+$|^favoriete .+|.+ (?:favorit[oa]|préférée?|preferit[oa]|preferid[oa])$"
    r"|^最喜欢的.+|^(?:一番)?好きな.+|^가장 좋아하는 .+"
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


_SLOT_OF = {said: slot for slot, ways in _ONE_AT_A_TIME.items() for said in (slot, *ways)} | {
    normal_relation(said): slot for slot, ways in _IN_OTHER_LANGUAGES.items() for said in ways.split(";")
}


def slot_of(relation: str) -> tuple[str, bool]:
    """Return under which name a relation is kept apart from others, and whether it holds one object at a time.

    **Limits**: a list of well-known relations in ten languages and a few patterns; of any other relation several objects hold
    side by side, unless whoever inserts says otherwise.
    """
    plain = normal_relation(relation)
    for said in (plain, _OTHER_AUXILIARY.sub("", plain)):
        if said in _SLOT_OF:
            return _SLOT_OF[said], True
    plain = plain.replace("favorite", "favourite")
    if _SINGULAR.match(plain):
        return plain.removesuffix(" is"), True
    return plain, False


def is_alias(relation: str) -> bool:
    """Whether a relation says that two names mean one entity."""
    plain = normal_relation(relation)
    return plain in _ALIAS_RELATIONS or _OTHER_AUXILIARY.sub("", plain) in _ALIAS_RELATIONS


def is_value(text: str) -> bool:
    """Whether an object is a number, a date or the like: it is not an entity that could join two others."""
    return (
        not any(char.isalpha() for char in text)
        or re.fullmatch(r"(?i)true|false|yes|no|none|unknown", text.strip()) is not None
    )
