/**
 * The operations that a log record is made of; docs/formats/mutations.md has the byte tables. Each names one key of one
 * physical database and carries all it needs; a flush and a swap name databases.
 */
export const recordVersion = 2

export const putStringOp = 1
export const deleteOp = 2
export const expireOp = 3
export const appendOp = 4
export const setRangeOp = 5
export const hashSetOp = 6
export const hashDeleteOp = 7
export const flushOp = 8
export const swapOp = 9
export const moveOp = 11
/** As `hashSetOp` for a hash that is to have another form first. */
export const hashSetInFormOp = 12
export const copyOp = 13
/** A change of a collection, in the words of its type: `types/collection-type.ts`. */
export const editOp = 14
/** A value given as RDB. */
export const restoreOp = 15

/** In putString's flags. */
export const expiresFlag = 1
export const keepTtlFlag = 2
