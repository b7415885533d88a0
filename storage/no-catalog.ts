/** Where the write-out records keys, and the catalog of a server that keeps nothing: it takes records and forgets them. */
import type { CatalogVisitor } from './catalog-format.ts'

export interface CatalogSink extends CatalogVisitor {
  readonly pendingBytes: number
  flush(): Promise<void>
}

const forget = (): void => undefined

export const noCatalog: CatalogSink = {
  pendingBytes: 0,
  flush: () => Promise.resolve(),
  entry: forget,
  tombstone: forget,
  collection: forget,
  leaf: forget,
  databases: forget,
  freed: forget,
}
