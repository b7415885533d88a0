import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DirectoryInUse, lockDirectory } from '../../storage/directory-lock.ts'

describe('the directory lock', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'moraine-lock-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  async function identity(pid: number): Promise<string> {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim()
    return `${pid} ${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]} 1\n`
  }

  it('is exclusive, names the holder, and can be had again after release', async () => {
    const lock = await lockDirectory(directory)
    const refused = lockDirectory(directory)
    await expect(refused).rejects.toThrow(DirectoryInUse)
    await expect(refused).rejects.toThrow(`in use by process ${process.pid}`)
    await lock.release()
    await lock.release()
    expect(await readdir(directory)).toEqual([])
    await (await lockDirectory(directory)).release()
  })

  it('refuses while another process lives, and takes over when it has been killed', async () => {
    const holder = spawn('sleep', ['1000'])
    await once(holder, 'spawn')
    await writeFile(`${directory}/LOCK`, await identity(holder.pid!))
    await expect(lockDirectory(directory)).rejects.toMatchObject({ pid: holder.pid })
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    const lock = await lockDirectory(directory)
    expect(await readdir(directory)).toEqual(['LOCK'])
    await lock.release()
  })

  it('takes over from a holder whose pid is now another process, or of another boot', async () => {
    const mine = await identity(process.pid)
    for (const stale of [mine.replace(/ (\d+) 1\n/, (_, ticks) => ` ${Number(ticks) + 1} 1\n`), mine.replace(/ \S+ /, ' other-boot ')]) {
      expect(stale).not.toBe(mine)
      await writeFile(`${directory}/LOCK`, stale)
      await (await lockDirectory(directory)).release()
    }
  })

  it('takes over a lock that says nothing, and one whose take-over was interrupted', async () => {
    await writeFile(`${directory}/LOCK`, '')
    await writeFile(`${directory}/LOCK.takeover`, 'rubbish')
    const lock = await lockDirectory(directory)
    expect(await readdir(directory)).toEqual(['LOCK'])
    await lock.release()
  })

  it('goes to one of many that want a stale lock at once', async () => {
    for (let round = 0; round < 20; round += 1) {
      await writeFile(`${directory}/LOCK`, '999999999 gone 1 1\n')
      const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(directory)))
      const won = tries.filter((result) => result.status === 'fulfilled')
      expect(won).toHaveLength(1)
      for (const result of tries) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(DirectoryInUse)
      await won[0]!.value.release()
      expect(await readdir(directory)).toEqual([])
    }
  })
})
