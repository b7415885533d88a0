/** What a client has said of itself with REPLCONF, before it asks for a copy of the data with SYNC or PSYNC. */
export class ReplicaWishes {
  /** It takes an RDB whose end is told by a mark. */
  eof = false
  /** It wants no stream of commands behind the RDB. */
  rdbOnly = false
  /** It wants something left out. */
  isFiltered = false
  keys = true
  functions = true

  /** Leaves out all but what is named. Returns the first name that makes no sense. */
  filter(names: readonly string[]): string | undefined {
    this.isFiltered = true
    this.keys = false
    this.functions = false
    for (const name of names) {
      if (name.toLowerCase() !== 'functions') return name
      this.functions = true
    }
    return undefined
  }
}
