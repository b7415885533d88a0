/** Rows of a catalog, for tests. */
import { CatalogEntry } from '../storage/catalog-entry.ts'

/** A row of a key whose bytes are `key`, and of `inline` as its value if no id is given. */
export function catalogEntry(key: string | Buffer, fields: Partial<CatalogEntry> = {}): CatalogEntry {
  const entry = new CatalogEntry()
  const bytes = Buffer.from(key)
  entry.setKey(bytes, 0, bytes.length)
  if (fields.inline !== undefined) entry.setInline(fields.inline, 0, fields.inline.length)
  return Object.assign(entry, fields)
}
