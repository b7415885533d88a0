/** What happened to a key, as bits, so that several can be asked for at once. Only the mutator says so, and only of what did change. */

/** The key holds a new value as a whole, whether it existed before or not. */
export const valuePut = 1
/** A part of the value has changed. */
export const valueEdited = 2
/** The time of expiry was set or taken away. */
export const expirySet = 4
export const keyDeleted = 8
export const keyExpired = 16
/** Deleted for lack of memory. */
export const keyEvicted = 32
/** Deleted to make room for another value, which the same request puts there. */
export const keyReplaced = 64
/** The value has gone to another key, or has come from one. */
export const valueMovedAway = 128
export const valueMovedHere = 256
/** The database was emptied, and the key was in it. */
export const databaseFlushed = 512
/** The database has changed places with another, and the key is in at least one of them. */
export const databaseSwapped = 1024
/** All data was read again from disk, and the key was there before or is there now. */
export const dataReloaded = 2048
/** Only what the value keeps beside its elements has changed: nobody who waits for the key finds more than before. */
export const stateEdited = 4096

/** After these the key is there, or was. */
export const leavesKey = valuePut | valueEdited | valueMovedHere
/** After these the key is missing. */
export const leavesNoKey = keyDeleted | keyExpired | keyEvicted | keyReplaced | valueMovedAway | databaseFlushed
/** Only a look at the key tells whether it is there after these. */
export const changesDatabase = databaseSwapped | dataReloaded
