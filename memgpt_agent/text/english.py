"""English for the word search: words without content, and irregular forms that no stemmer joins."""

_WORDS = """
    a about after am an and are as at be been before being but by can could did do does doing during for from had has have
    having he her here hers him his how i if in into is it its me my no nor not of on or our she should so such than that the
    their them then there these they this those through to us was we were what when where which who whom whose why will with
    would you your
"""
FUNCTION_WORDS = frozenset(_WORDS.split())
"""Articles, pronouns, auxiliaries, prepositions and question words: left out of a query that holds others. ``may`` is a month too, and stays."""

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
