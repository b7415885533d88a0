/**
 * A key's row in the catalog, as it passes in and out. One object serves all rows: whoever writes or reads rows fills it again for each,
 * so it is valid only during the call that gets it, and so are its bytes.
 */
const nothing = Buffer.alloc(0)
/** V8 keeps such a field as a number of 64 bits: assigning an LSN, an id or a time to it allocates nothing. */
const double = 0.5

export class CatalogEntry {
  db = 0
  type = 0
  encoding = 0
  flags = 0
  lsn = double
  /** In milliseconds since the Unix epoch, 0 for never. */
  expireAt = double
  /** When the first field of a hash expires, or some time before; 0 if none does. */
  fieldsDue = double
  /** Bytes of a string, or a collection's cardinality. */
  length = double
  /** 0 when the value itself is given, in `inline`. */
  valueId = double
  /** Of the key, where the visitor tells hashes; otherwise -1. */
  hash = double
  /** The key is `key[keyStart, keyEnd)`. */
  key: Buffer = nothing
  keyStart = 0
  keyEnd = 0
  /** The value is `inline[inlineStart, inlineEnd)`, if there is no id. */
  inline: Buffer = nothing
  inlineStart = 0
  inlineEnd = 0

  constructor() {
    this.lsn = 0
    this.expireAt = 0
    this.fieldsDue = 0
    this.length = 0
    this.valueId = 0
    this.hash = -1
  }

  // V8's write barrier notes each young object that is stored into an old one. Nearly all rows of a block have the same buffers.

  setKey(bytes: Buffer, start: number, end: number): void {
    if (this.key !== bytes) this.key = bytes
    this.keyStart = start
    this.keyEnd = end
  }

  setInline(bytes: Buffer, start: number, end: number): void {
    if (this.inline !== bytes) this.inline = bytes
    this.inlineStart = start
    this.inlineEnd = end
  }

  /** There is no value in the row: it has an id. */
  clearInline(): void {
    this.setInline(nothing, 0, 0)
  }

  /** Lets the buffers go: the row is filled again, if at all, much later. */
  clearBytes(): void {
    this.setKey(nothing, 0, 0)
    this.clearInline()
  }
}
