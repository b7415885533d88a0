/** Sizes of pieces of work that no setting governs. The server takes the defaults; tests make them tiny, to meet every seam often. */
export interface Sizes {
  /** What keys and small values may take. Undefined: the engine's own. */
  readonly arenaBytes: number | undefined
  /** What a log record may hold. Undefined: the log's own. */
  readonly recordBytesMax: number | undefined
  /** From this length on a value is not copied where it can be helped. Undefined: the engine's own. */
  readonly largeValueBytes: number | undefined
  /** From this length on a value is worked on in slices, before the command that asks for it is executed. Undefined: the engine's own. */
  readonly slicedValueBytes: number | undefined
  /** Bytes of a large value that are digested without letting the event loop go. */
  readonly digestBytes: number
  /** A leaf of a large collection above this is cut in two. Undefined: the engine's own. */
  readonly treeLeafBytes: number | undefined
  /** Bytes of values that go to the cold store together. */
  readonly batchBytes: number
  readonly batchEntries: number
  /** Longer values go to the cold store in pieces of this many bytes. */
  readonly coldPieceBytes: number
  /** Records below which a catalog is not worth writing anew. */
  readonly catalogRecordsMin: number
  /** Values that are deleted from the cold store together. */
  readonly deletesPerBatch: number
}

export const defaultSizes: Sizes = {
  arenaBytes: undefined,
  recordBytesMax: undefined,
  largeValueBytes: undefined,
  slicedValueBytes: undefined,
  digestBytes: 1024 * 1024,
  treeLeafBytes: undefined,
  batchBytes: 256 * 1024,
  batchEntries: 2048,
  coldPieceBytes: 1024 * 1024,
  catalogRecordsMin: 100_000,
  deletesPerBatch: 1000,
}
