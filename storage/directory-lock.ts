/**
 * One process per data directory. The lock is a file `LOCK` that names its holder: pid, boot id and the process's start
 * time in clock ticks since boot (`/proc/<pid>/stat`, field 22; see proc(5)), so that a pid used again by another process
 * is not mistaken for the holder. A lock whose holder is gone is taken over.
 *
 * Invariants: `LOCK` appears with its whole content (a finished file is linked into place, which fails if the name
 * exists). A take-over replaces it only while holding `LOCK.takeover`, made the same way, and only if `LOCK` still holds
 * exactly what was judged stale.
 *
 * Not covered: processes in different pid namespaces or on different machines that share the directory; they cannot
 * see each other in /proc.
 */
import fs from 'node:fs'

/** The directory is in use by a live process. */
export class DirectoryInUse extends Error {
  override readonly name = 'DirectoryInUse'
  /** The process that holds the lock. */
  readonly pid: number
  constructor(directory: string, pid: number) {
    super(`the data directory ${directory} is in use by process ${pid}`)
    this.pid = pid
  }
}

export interface DirectoryLock {
  /** Gives the directory free. Does nothing when called again. */
  release(): Promise<void>
}

interface Holder {
  readonly pid: number
  readonly bootId: string
  /** Start time in clock ticks since boot; a string, as /proc prints it. */
  readonly startTicks: string
  /** Tells apart several locks of one process. */
  readonly serial: number
}

let serial = 0

/** Locks an existing directory for this process. Throws `DirectoryInUse` when a live process (this one included) holds it. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const path = `${directory}/LOCK`
  serial += 1
  const draft = `${path}.${process.pid}.${serial}`
  const mine = describe({ pid: process.pid, bootId: bootId(), startTicks: startTicks(process.pid) ?? '', serial })
  await fs.promises.writeFile(draft, mine)
  try {
    if (!(await linkNew(draft, path))) await takeOver(directory, path, draft)
  } finally {
    await removeIfThere(draft)
  }
  let held = true
  return {
    async release() {
      if (!held) return
      held = false
      if ((await readIfThere(path)) === mine) await removeIfThere(path)
    },
  }
}

/** Replaces the stale lock at `path` with a copy of `draft`, or throws `DirectoryInUse`. */
async function takeOver(directory: string, path: string, draft: string): Promise<void> {
  const guard = `${path}.takeover`
  for (;;) {
    const found = await readIfThere(path)
    if (found === undefined) {
      if (await linkNew(draft, path)) return
      continue
    }
    refuseIfAlive(directory, found)
    if (!(await linkNew(draft, guard))) {
      const other = await readIfThere(guard)
      if (other !== undefined) {
        refuseIfAlive(directory, other)
        await removeIfThere(guard)
      }
      continue
    }
    try {
      if ((await readIfThere(path)) !== found) continue
      await fs.promises.rename(draft, path)
      return
    } finally {
      await removeIfThere(guard)
    }
  }
}

function refuseIfAlive(directory: string, content: string): void {
  const holder = parse(content)
  if (holder && isAlive(holder)) throw new DirectoryInUse(directory, holder.pid)
}

/** Whether the very process that wrote the lock still runs. A zombie has closed its files and does not count. */
function isAlive(holder: Holder): boolean {
  return holder.bootId === bootId() && startTicks(holder.pid) === holder.startTicks
}

function bootId(): string {
  return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}

/** The start time of a running process, or undefined when there is none. The command's name may hold spaces and parentheses. */
function startTicks(pid: number): string | undefined {
  let stat: string
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

function describe(holder: Holder): string {
  return `${holder.pid} ${holder.bootId} ${holder.startTicks} ${holder.serial}\n`
}

/** Undefined when the content is not a lock's: such a file is nobody's and may be replaced. */
function parse(content: string): Holder | undefined {
  const match = /^(\d+) (\S+) (\d+) (\d+)\n$/.exec(content)
  if (!match) return undefined
  return { pid: Number(match[1]), bootId: match[2] ?? '', startTicks: match[3] ?? '', serial: Number(match[4]) }
}

/** Gives `from` a second name unless that name is taken; says whether it did. */
async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await fs.promises.link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await fs.promises.readFile(path, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function removeIfThere(path: string): Promise<void> {
  await fs.promises.rm(path, { force: true })
}
