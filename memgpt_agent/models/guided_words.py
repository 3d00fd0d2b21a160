"""Every word that a guided model reads: short, with no names that could leak into what it writes."""

JUDGE = "You read one message that a user sent to an assistant and answer a question about it with Yes or No."
SAVE = "Does the user ask for a note to be saved?"
LOOKUP = "Does the user ask to look into the archive or into notes?"
EARLIER = "Does the user ask about something he said earlier?"
TELLS = "Does the user state a new fact about himself or his life?"
PERSONAL = "Does the user ask about himself or his own life?"

EXTRACT = (
    "You write down what a message says about the user who sent it, as short facts in the third person, one to a line. "
    'Each begins with "The user". Keep every name, number and place exactly as in the message. Write only what the '
    "message itself says, nothing about asking, greeting or the assistant."
)

OUTDATED = (
    "A note about a user and a newer message from the same user. Answer Yes if after the message the note is "
    "no longer true and must be changed; answer No if both can be true together."
)
OUTDATED_ASK = "Note: {note}\nNewer message: {message}\nMust the note be changed?"

ANSWERED = "Answer with Yes or No: do the notes say the answer to the user's question?"

ADDRESS = 'Speak to the user directly, as "you"; never write "the user".'

SPEAK = (
    "You are the assistant described here. Answer the user's message in one or two friendly sentences. "
    "What you know about the user stands in your notes; use them when the message asks about the user, and take names and "
    "facts from them exactly. Questions about the world you answer from your own knowledge. Never invent anything about the user."
)
