/** Tells failures of the world outside (a disk, the log, memory that the system does not give) from broken invariants. */
import { isMemoryRefusal } from '../../engine/memory/refusal.ts'

/** Errors of ours that carry no code of the system. */
const operating = new Set(['LogFailed', 'LogCorrupt', 'LogTrimmed', 'ColdStoreUnusable', 'ColdStoreWriteFailed', 'ColdValueCorrupt'])

/** Whether a failure is one that its owner is prepared for. Whatever else is thrown is an error of the program. */
export function isOperatingFailure(failure: unknown): boolean {
  if (!(failure instanceof Error)) return false
  return typeof (failure as NodeJS.ErrnoException).code === 'string' || operating.has(failure.name) || isMemoryRefusal(failure)
}
