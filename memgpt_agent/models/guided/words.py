"""Every text that a guided model reads: short, without names that could leak into its answers."""

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

SAME = "You compare two notes about a user. Answer Yes or No."
SAME_ASK = "First note: {one}\nSecond note: {other}\nDo both notes say the same?"

TOOL = "You decide whether a tool is needed to answer a message. Answer Yes or No."
TOOL_ASK = 'Message: "{message}"\nTool: {name}: {description}\nDoes the message ask for what this tool does?'

MERGE = (
    "Rewrite a note about a user so that it is true after a newer message. Change only what the message changes and keep "
    'everything else that the note says. Write one sentence that begins with "The user".'
)
MERGE_ASK = "Note: {note}\nNewer message: {message}"

ANSWERED = "Answer with Yes or No: do the notes say the answer to the user's question?"

SPEAK = (
    "You are a friendly assistant who talks with one person, called the user in your notes. Answer that person directly, "
    'as "you", in one or two sentences. Take names and facts about the person from your notes and from what was '
    "found, exactly as they stand there; never invent any. Questions about the world you answer from your own knowledge."
)
NOTES = "Your notes about the person you talk with:"
SUMMARY = "Earlier in this conversation:"
FOUND = (
    "Found in your memory for the question that follows (lines with a date and who said it; the user is this person):"
)
FOUND_NOTHING = "You searched your memory for the question that follows and found nothing."
FILED = "You have just saved the person's note to your archive; say so in a few words."
NOTED = "You have just written down what the person told you; react to it kindly in one sentence."
NOBODY = "(Nobody said anything.)"

REFLECT = (
    "You look back on a conversation between a user and an assistant and answer in JSON. learned: what is worth knowing about "
    "the user later on, each a short sentence. uncertain: what the assistant should find out, each a question. next_steps: what "
    "the assistant should do, each a short line. Write only what the conversation says; leave a list empty if there is nothing."
)
