/** What a run did, for a reader of one that failed; and a hash of what its clients saw and when, which tells whether two runs were the same. */
const lineMax = 200

export class Journal {
  readonly told: string[] = []
  trace = 0x811c9dc5

  tell(line: string): void {
    this.told.push(line.length > lineMax ? `${line.slice(0, lineMax)}… (${line.length} characters)` : line)
  }

  seen(text: string): void {
    for (let i = 0; i < text.length; i++) this.trace = Math.imul(this.trace ^ text.charCodeAt(i), 0x01000193) >>> 0
  }
}
