"""What the word search knows of English: words that say nothing of what is looked for, and forms that no stemmer joins."""

_WORDS = """
    a about above after again all also am an and any are as at be because been before being below between both but by can
    could did do does doing done during each either else few for from further had has have having he her here hers herself him
    himself his how however i if in into is it its itself just let ll me more most much my myself neither no nor not of off on
    once only or other our ours ourselves out over own re s same shall she should since so some such t than that the their
    theirs them themselves then there these they this those though through to too under until up upon us ve very was we were
    what when where which while who whom whose why will with within without would yet you your yours yourself yourselves
"""
FUNCTION_WORDS = frozenset(_WORDS.split())
"""Left out of a query that holds other words. ``may`` is not among them: it is a month as well."""

_FORMS = """
    arise arose arisen; awake awoke awoken; bear bore borne; beat beaten; become became; begin began begun; bend bent; bind
    bound; bite bit bitten; bleed bled; blow blew blown; break broke broken; breed bred; bring brought; build built; burn
    burnt; buy bought; catch caught; child children; choose chose chosen; cling clung; come came; creep crept; deal dealt; dig
    dug; draw drew drawn; dream dreamt; drink drank drunk; drive drove driven; eat ate eaten; fall fell fallen; feed fed; feel
    felt; fight fought; find found; flee fled; fly flew flown; foot feet; forbid forbade forbidden; forget forgot forgotten;
    forgive forgave forgiven; freeze froze frozen; get got gotten; give gave given; go went gone; goose geese; grow grew
    grown; hang hung; hear heard; hide hid hidden; hold held; keep kept; kneel knelt; knife knives; know knew known; lay laid;
    lead led; leap leapt; learn learnt; leave left; lend lent; light lit; loaf loaves; lose lost; make made; man men; mean
    meant; meet met; mouse mice; overcome overcame; pay paid; person people; prove proven; ride rode ridden; ring rang rung;
    rise rose risen; run ran; say said; see saw seen; seek sought; sell sold; send sent; sew sewn; shake shook shaken; shelf
    shelves; shine shone; shoot shot; show shown; shrink shrank shrunk; sing sang sung; sink sank sunk; sit sat; sleep slept;
    slide slid; speak spoke spoken; spell spelt; spend spent; spin spun; spoil spoilt; stand stood; steal stole stolen; stick
    stuck; sting stung; strike struck; swear swore sworn; sweep swept; swell swollen; swim swam swum; swing swung; take took
    taken; teach taught; tear tore torn; tell told; thief thieves; think thought; throw threw thrown; tooth teeth; understand
    understood; wake woke woken; wear wore worn; weave wove woven; weep wept; wife wives; win won; withdraw withdrew
    withdrawn; wolf wolves; woman women; write wrote written
"""
FAMILIES = tuple(tuple(forms.split()) for forms in _FORMS.split(";"))
"""Irregular verbs and plurals. A question has 'did she buy' where what was said has 'I bought': to the search they are one word."""
