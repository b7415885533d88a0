/** Counters of the server since its start, or since CONFIG RESETSTAT. */
import { CommandStats } from './command-stats.ts'

const errorCodesMax = 128

export class ServerStats {
  commands = 0
  errors = 0
  coldReadFailures = 0
  /** Of the records that a primary has committed and this node has applied. */
  replicationInputBytes = 0
  /** Clients that asked to go on where they had stopped, and got a copy of everything. */
  continuationsRefused = 0
  readonly errorsByCode = new Map<string, number>()
  /** Durations of cold reads. */
  readonly coldReads = new CommandStats()

  /** Given to every reply writer: told the text of each error reply. */
  readonly countError = (text: string): void => {
    this.errors++
    const space = text.indexOf(' ')
    const code = space < 0 ? text : text.slice(0, space)
    if (this.errorsByCode.size >= errorCodesMax && !this.errorsByCode.has(code)) return
    this.errorsByCode.set(code, (this.errorsByCode.get(code) ?? 0) + 1)
  }

  coldReadMs(ms: number): void {
    this.coldReads.add(ms * 1000)
  }

  reset(): void {
    this.commands = 0
    this.errors = 0
    this.coldReadFailures = 0
    this.replicationInputBytes = 0
    this.continuationsRefused = 0
    this.errorsByCode.clear()
    this.coldReads.reset()
  }
}
