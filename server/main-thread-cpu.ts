/** Processor time of the thread that executes commands. Node tells that of the whole process only; Linux has it in a file (proc(5), `stat`). */
import { readFileSync } from 'node:fs'

/** Linux counts in hundredths of a second for programs, whatever its own clock does. */
const ticksPerSecond = 100
/** Fields of the line behind the name of the program, which is in parentheses. */
const userField = 11
const systemField = 12

export interface CpuSeconds {
  readonly user: number
  readonly system: number
}

/** Undefined where the system does not tell. */
export function mainThreadCpu(): CpuSeconds | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const line = readFileSync(`/proc/self/task/${process.pid}/stat`, 'latin1')
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    return { user: Number(fields[userField]) / ticksPerSecond, system: Number(fields[systemField]) / ticksPerSecond }
  } catch {
    // The file system of processes need not be there.
    return undefined
  }
}
