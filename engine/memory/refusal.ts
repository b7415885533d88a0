/**
 * When the system gives no more memory, V8 throws a RangeError where an ArrayBuffer is made. Most places cannot go on
 * without it, and the process ends; those that can, because nothing has changed yet, ask here whether it was that. The arena
 * refuses with the same error what would exceed its limit.
 */
const refusalText = 'Array buffer allocation failed'

export function memoryRefusal(): RangeError {
  return new RangeError(refusalText)
}

/** Whether something failed because the system refused memory. */
export function isMemoryRefusal(failure: unknown): boolean {
  return failure instanceof RangeError && failure.message === refusalText
}
