/**
 * The directory of a large hash: one row per chunk, ordered by the first hash of the chunk's range.
 *
 * Rows live in pages of at most 256, columns in typed arrays, so that a new chunk among 300,000 moves a page's rows and
 * not all. A position is a plain number, page × 256 + row; it holds until the next `insertBehind` or `remove`.
 * Row columns: first hash, ref of the resident value (0: cold), id of the identical copy in the cold store (0: none), LSN of the
 * chunk's last mutation, count of fields, bytes of the blob, flags. The directory gives them no meaning, but sums the counts.
 */

const pageRows = 256
const pageShift = 8
const rowMask = pageRows - 1
const pageRowsMin = 8
const rowBytes = 2 * 8 + 5 * 4
/** Objects of a page outside its buffer: itself, two views, a buffer; measured on Node 20. */
const pageObjectBytes = 560

/** The narrow columns, as multiples of the page's capacity. */
const hashColumn = 0
const refColumn = 1
const countColumn = 2
const bytesColumn = 3
const flagsColumn = 4
const narrowColumns = 5

class ChunkPage {
  capacity: number
  length = 0
  /** Sum of the counts. */
  fields = 0
  /** Value ids, then LSNs. */
  wide: Float64Array
  narrow: Uint32Array

  constructor(capacity: number) {
    const memory = new ArrayBuffer(capacity * rowBytes)
    this.capacity = capacity
    this.wide = new Float64Array(memory, 0, capacity * 2)
    this.narrow = new Uint32Array(memory, capacity * 16, capacity * narrowColumns)
  }

  /** Takes over the rows `[start, end)` of another page, behind its own. */
  take(from: ChunkPage, start: number, end: number): void {
    for (let column = 0; column < 2; column++) {
      const rows = from.wide.subarray(column * from.capacity + start, column * from.capacity + end)
      this.wide.set(rows, column * this.capacity + this.length)
    }
    for (let column = 0; column < narrowColumns; column++) {
      const rows = from.narrow.subarray(column * from.capacity + start, column * from.capacity + end)
      this.narrow.set(rows, column * this.capacity + this.length)
    }
    for (let row = start; row < end; row++) this.fields += from.narrow[countColumn * from.capacity + row]
    this.length += end - start
  }

  /** Moves the rows from `row` on by `by` (1 or -1), over the row that vanishes. */
  shift(row: number, by: number): void {
    for (let column = 0; column < 2; column++) {
      const base = column * this.capacity
      this.wide.copyWithin(base + row + by, base + row, base + this.length)
    }
    for (let column = 0; column < narrowColumns; column++) {
      const base = column * this.capacity
      this.narrow.copyWithin(base + row + by, base + row, base + this.length)
    }
    this.length += by
  }

  clear(row: number): void {
    for (let column = 0; column < 2; column++) this.wide[column * this.capacity + row] = 0
    for (let column = 0; column < narrowColumns; column++) this.narrow[column * this.capacity + row] = 0
  }
}

export class ChunkDirectory {
  readonly #pages: ChunkPage[] = []
  /** First hash of every page. */
  #pageHashes = new Uint32Array(4)
  #length = 0
  #pageBytes = 0

  /** Chunks. */
  get length(): number {
    return this.#length
  }

  /** Bytes that the directory takes. */
  get memoryBytes(): number {
    return this.#pageBytes + this.#pageHashes.byteLength
  }

  /** Position of the chunk whose range holds a hash: the last that does not begin behind it; -1 when all begin behind it. */
  locate(hash: number): number {
    const pageHashes = this.#pageHashes
    let low = 0
    let high = this.#pages.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (pageHashes[middle] <= hash) low = middle + 1
      else high = middle
    }
    if (low === 0) return -1
    const pageNumber = low - 1
    const page = this.#pages[pageNumber]
    const hashes = page.narrow
    low = 1
    high = page.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (hashes[middle] <= hash) low = middle + 1
      else high = middle
    }
    return (pageNumber << pageShift) | (low - 1)
  }

  /** Position of the chunk that begins exactly here, or -1. */
  find(firstHash: number): number {
    const at = this.locate(firstHash)
    return at >= 0 && this.firstHash(at) === firstHash ? at : -1
  }

  first(): number {
    return this.#length === 0 ? -1 : 0
  }

  last(): number {
    const pageNumber = this.#pages.length - 1
    return pageNumber < 0 ? -1 : (pageNumber << pageShift) | (this.#pages[pageNumber].length - 1)
  }

  /** Position of the next chunk, or -1. */
  after(at: number): number {
    const pageNumber = at >>> pageShift
    if ((at & rowMask) + 1 < this.#pages[pageNumber].length) return at + 1
    return pageNumber + 1 < this.#pages.length ? (pageNumber + 1) << pageShift : -1
  }

  /** Position of the chunk before, or -1. */
  before(at: number): number {
    if ((at & rowMask) !== 0) return at - 1
    const pageNumber = (at >>> pageShift) - 1
    return pageNumber < 0 ? -1 : (pageNumber << pageShift) | (this.#pages[pageNumber].length - 1)
  }

  /** A new row, all zero but its first hash, behind a position (-1: before all). Returns where it is; other positions are void. */
  insertBehind(at: number, firstHash: number): number {
    if (this.#pages.length === 0) this.#insertPage(0, new ChunkPage(pageRowsMin))
    let pageNumber = at < 0 ? 0 : at >>> pageShift
    let row = at < 0 ? 0 : (at & rowMask) + 1
    let page = this.#pages[pageNumber]
    if (page.length === pageRows) {
      const half = this.#split(pageNumber, row)
      if (row >= half) {
        pageNumber++
        row -= half
      }
      page = this.#pages[pageNumber]
    }
    if (page.length === page.capacity) page = this.#resize(pageNumber, page.capacity * 2)
    page.shift(row, 1)
    page.clear(row)
    page.narrow[row] = firstHash
    if (row === 0) this.#pageHashes[pageNumber] = firstHash
    this.#length++
    return (pageNumber << pageShift) | row
  }

  /** Takes a row out; positions are void afterwards. */
  remove(at: number): void {
    const pageNumber = at >>> pageShift
    const row = at & rowMask
    const page = this.#pages[pageNumber]
    page.fields -= page.narrow[countColumn * page.capacity + row]
    page.shift(row + 1, -1)
    this.#length--
    if (page.length === 0) {
      this.#pageBytes -= page.capacity * rowBytes + pageObjectBytes
      this.#pages.splice(pageNumber, 1)
      this.#pageHashes.copyWithin(pageNumber, pageNumber + 1)
      return
    }
    if (row === 0) this.#pageHashes[pageNumber] = page.narrow[0]
    if (page.length * 4 <= page.capacity && page.capacity > pageRowsMin) this.#resize(pageNumber, page.capacity / 2)
  }

  /** Position of the chunk with the field number `rank` in all, or -1; `rankWithin` then tells its number in the chunk. */
  locateRank(rank: number): number {
    for (let pageNumber = 0; pageNumber < this.#pages.length; pageNumber++) {
      const page = this.#pages[pageNumber]
      if (rank >= page.fields) {
        rank -= page.fields
        continue
      }
      let row = 0
      while (rank >= page.narrow[countColumn * page.capacity + row]) rank -= page.narrow[countColumn * page.capacity + row++]
      this.rankWithin = rank
      return (pageNumber << pageShift) | row
    }
    return -1
  }
  rankWithin = 0

  firstHash(at: number): number {
    return this.#pages[at >>> pageShift].narrow[at & rowMask]
  }

  ref(at: number): number {
    const page = this.#pages[at >>> pageShift]
    return page.narrow[refColumn * page.capacity + (at & rowMask)]
  }

  setRef(at: number, ref: number): void {
    const page = this.#pages[at >>> pageShift]
    page.narrow[refColumn * page.capacity + (at & rowMask)] = ref
  }

  count(at: number): number {
    const page = this.#pages[at >>> pageShift]
    return page.narrow[countColumn * page.capacity + (at & rowMask)]
  }

  setCount(at: number, count: number): void {
    const page = this.#pages[at >>> pageShift]
    const column = countColumn * page.capacity + (at & rowMask)
    page.fields += count - page.narrow[column]
    page.narrow[column] = count
  }

  bytes(at: number): number {
    const page = this.#pages[at >>> pageShift]
    return page.narrow[bytesColumn * page.capacity + (at & rowMask)]
  }

  setBytes(at: number, bytes: number): void {
    const page = this.#pages[at >>> pageShift]
    page.narrow[bytesColumn * page.capacity + (at & rowMask)] = bytes
  }

  flags(at: number): number {
    const page = this.#pages[at >>> pageShift]
    return page.narrow[flagsColumn * page.capacity + (at & rowMask)]
  }

  setFlags(at: number, flags: number): void {
    const page = this.#pages[at >>> pageShift]
    page.narrow[flagsColumn * page.capacity + (at & rowMask)] = flags
  }

  valueId(at: number): number {
    return this.#pages[at >>> pageShift].wide[at & rowMask]
  }

  setValueId(at: number, valueId: number): void {
    this.#pages[at >>> pageShift].wide[at & rowMask] = valueId
  }

  lsn(at: number): number {
    const page = this.#pages[at >>> pageShift]
    return page.wide[page.capacity + (at & rowMask)]
  }

  setLsn(at: number, lsn: number): void {
    const page = this.#pages[at >>> pageShift]
    page.wide[page.capacity + (at & rowMask)] = lsn
  }

  /** Makes a full page two. Rows that arrive in order fill pages instead of leaving halves. Returns how many rows stayed. */
  #split(pageNumber: number, row: number): number {
    const full = this.#pages[pageNumber]
    const stay = row === pageRows && pageNumber === this.#pages.length - 1 ? pageRows : pageRows / 2
    const right = new ChunkPage(stay === pageRows ? pageRowsMin : pageRows)
    if (stay < pageRows) {
      right.take(full, stay, pageRows)
      full.length = stay
      full.fields -= right.fields
    }
    this.#insertPage(pageNumber + 1, right)
    return stay
  }

  #insertPage(pageNumber: number, page: ChunkPage): void {
    if (this.#pages.length === this.#pageHashes.length) {
      const grown = new Uint32Array(this.#pageHashes.length * 2)
      grown.set(this.#pageHashes)
      this.#pageHashes = grown
    }
    this.#pageHashes.copyWithin(pageNumber + 1, pageNumber, this.#pages.length)
    this.#pageHashes[pageNumber] = page.narrow[hashColumn]
    this.#pages.splice(pageNumber, 0, page)
    this.#pageBytes += page.capacity * rowBytes + pageObjectBytes
  }

  #resize(pageNumber: number, capacity: number): ChunkPage {
    const from = this.#pages[pageNumber]
    const page = new ChunkPage(capacity)
    page.take(from, 0, from.length)
    this.#pages[pageNumber] = page
    this.#pageBytes += (capacity - from.capacity) * rowBytes
    return page
  }
}
