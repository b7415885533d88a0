/** A log record, or a part of it, that this version does not know. Nothing of the record has been applied. */
export class RecordUnreadable extends Error {
  override readonly name = 'RecordUnreadable'
}
