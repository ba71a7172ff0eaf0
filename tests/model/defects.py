"""In which ways could the protocol be wrong? Each is one switch of the model, and each must be caught."""

from enum import StrEnum


class Defect(StrEnum):
    """One rule left out or turned round."""

    NO_FENCE = "drop the fence"
    CLAIM_LAST = "claim after performing"
    WRONG_KEY = "key from the wrong fields"
    STALE_APPEND = "stale read without fence"
    TAKE_UNCHECKED = "take over without the claim's checks"
    MINE_BY_ID = "recognise own append by id instead of bytes"
    RESULT_YIELDS = "a gateway's result yields to a new attempt"
    SEND_UNCHECKED = "no CONTROL check before the send"
    ACCEPT_VOID = "accept void events"
    EXPIRY_IN_FOLD = "expiry inside the fold"
    CERTAIN = "take a doubtful attempt for one that did nothing"
    UNCOUNTED = "try again without a word in the log"
    HASTY_NO = "believe a read that comes too early"
    NOBODY_ASKED = "call again without a person's word"
    END_UNDONE = "end a run before what it did is undone"
    UNDO_ALIVE = "undo while the run may still go on"
    NO_SWEEP = "no sweep of open claims"
    ACKNOWLEDGE_EARLY = "acknowledge a kill once CONTROL has it"
    ACKNOWLEDGE_UNSEEN = "acknowledge a kill without having read the runs"
    ADOPT_BY_NAME = "adopt by name only"
    BIND_UNFENCED = "bind a name without expecting it free"
    MISSING_IS_DELETED = "take what is missing for deleted"
    DELETION_OF_ANY = "act on a deletion whatever log has the name by now"
    RELEASE_UNSEALED = "free the name of a log that never began, and leave it open"
    FORGET_DELETION = "keep a deletion in memory only"
