/** Numbers of the RDB format, as redis-server 7.0 writes it and those before and after it: its types, opcodes and lengths. */

/** What is written. */
export const rdbVersion = 10
/** The newest that is read. */
export const rdbVersionMax = 12

export const stringValue = 0
export const listValue = 1
export const setValue = 2
export const zsetTextValue = 3
export const hashValue = 4
export const zsetValue = 5
export const moduleValue = 6
export const module2Value = 7
export const hashZipmapValue = 9
export const listZiplistValue = 10
export const setIntsetValue = 11
export const zsetZiplistValue = 12
export const hashZiplistValue = 13
export const listQuicklistValue = 14
export const streamValue = 15
export const hashListpackValue = 16
export const zsetListpackValue = 17
export const listQuicklist2Value = 18
export const stream2Value = 19
export const setListpackValue = 20
export const stream3Value = 21
export const hashWithExpiryValue = 24
export const hashListpackWithExpiryValue = 25

export const slotInfoOpcode = 244
export const function2Opcode = 245
export const functionOpcode = 246
export const moduleAuxOpcode = 247
export const idleOpcode = 248
export const frequencyOpcode = 249
export const auxOpcode = 250
export const resizeOpcode = 251
export const expireMsOpcode = 252
export const expireOpcode = 253
export const selectOpcode = 254
export const endOpcode = 255

/** The two upper bits of a length's first byte: 14 bits follow, 32 or 64 bits, or it is no length; else it is one of 6 bits. */
export const mediumLength = 1
export const longLength = 2
export const encodedLength = 3
export const length32 = 0x80
export const length64 = 0x81

/** Strings that are not as they are: in the lower six bits behind `encodedLength`. */
export const int8String = 0
export const int16String = 1
export const int32String = 2
export const lzfString = 3

/** A list's node is one element, or a listpack. */
export const plainNode = 1
export const packedNode = 2
