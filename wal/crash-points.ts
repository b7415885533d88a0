/**
 * The moments at which a crash leaves the files in a state of its own. Code calls the hook when it gets there; tests cut the
 * power in it, one test for each name.
 */
export const CRASH_POINTS = [
  'open:tail-rewritten',
  'open:tail-cut',
  'group:before-write',
  'group:written',
  'rotate:old-synced',
  'rotate:header-written',
  'rotate:renamed',
  'rotate:directory-synced',
  'spare:piece-written',
  'spare:ready',
  'trim:taken-out',
  'trim:directory-synced',
  'close:marked',
] as const

export type CrashPoint = (typeof CRASH_POINTS)[number]

/** Told of each crash point as it is reached. */
export type CrashHook = (point: CrashPoint) => void
