/** What handlers need to know of the configuration: the thresholds of the types' forms, and what is large. */
export interface EngineLimits {
  hashMaxListpackEntries: number
  hashMaxListpackValue: number
  hllSparseMaxBytes: number
  setMaxIntsetEntries: number
  zsetMaxListpackEntries: number
  zsetMaxListpackValue: number
  /** Positive: elements; negative: −1 to −5 for 4 to 64 KiB, as Redis's setting. */
  listMaxListpackSize: number
  streamNodeMaxBytes: number
  streamNodeMaxEntries: number
  protoMaxBulkBytes: number
  /** Keys belong to hash slots: there is one database, and a command reaches for no key that it does not name. */
  hasSlots?: boolean
  /** Values from this length on are worked on in slices; the engine's own limit unless told. */
  slicedValueBytes?: number | undefined
  /** Values from this length on are recorded by reference; the engine's own limit unless told. */
  largeValueBytes?: number | undefined
}

/** Redis's defaults. */
export const defaultEngineLimits: Readonly<EngineLimits> = {
  hashMaxListpackEntries: 512,
  hashMaxListpackValue: 64,
  hllSparseMaxBytes: 3000,
  setMaxIntsetEntries: 512,
  zsetMaxListpackEntries: 128,
  zsetMaxListpackValue: 64,
  listMaxListpackSize: -2,
  streamNodeMaxBytes: 4096,
  streamNodeMaxEntries: 100,
  protoMaxBulkBytes: 512 * 1024 * 1024,
}
