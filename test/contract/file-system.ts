/** What every file system must do. A fresh, existing directory for each test. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileSystem } from '../../storage/file-system.ts'

export interface FileSystemUnderTest {
  readonly files: FileSystem
  /** An empty directory. */
  readonly directory: string
  stop(): Promise<void>
}

export function fileSystemSuite(name: string, make: () => Promise<FileSystemUnderTest>): void {
  describe(`file system: ${name}`, () => {
    let under: FileSystemUnderTest
    let files: FileSystem
    let path: string

    beforeEach(async () => {
      under = await make()
      files = under.files
      path = `${under.directory}/file`
    })

    afterEach(() => under.stop())

    async function fill(where: string, text: string): Promise<void> {
      const file = await files.open(where, { write: true, create: true })
      await file.write(Buffer.from(text), 0)
      await file.close()
    }

    async function contents(where: string): Promise<string> {
      const file = await files.open(where, { write: false })
      const bytes = Buffer.alloc(await file.size())
      await file.read(bytes, 0)
      await file.close()
      return bytes.toString('latin1')
    }

    it('rejects opening a missing file with ENOENT, unless told to create it', async () => {
      await expect(files.open(path, { write: true })).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(files.open(path, { write: false })).rejects.toMatchObject({ code: 'ENOENT' })
      const file = await files.open(path, { write: true, create: true })
      expect(await file.size()).toBe(0)
      await file.close()
      expect(await files.list(under.directory)).toEqual(['file'])
    })

    it('does not truncate a file that is there', async () => {
      await fill(path, 'kept')
      await (await files.open(path, { write: true, create: true })).close()
      expect(await contents(path)).toBe('kept')
    })

    it.each([false, true])('writes at a position and reads back, durable %s', async (durable) => {
      const file = await files.open(path, { write: true, create: true, durable })
      await file.write(Buffer.from('abcdef'), 0)
      await file.write(Buffer.from('XY'), 2)
      await file.write(Buffer.alloc(0), 99)
      const bytes = Buffer.alloc(4)
      expect(await file.read(bytes, 1)).toBe(4)
      expect(bytes.toString()).toBe('bXYe')
      await file.close()
    })

    it.each([false, true])('writes pieces as one, durable %s', async (durable) => {
      const file = await files.open(path, { write: true, create: true, durable })
      await file.write(Buffer.from('__________________'), 0)
      const pieces = ['ab', '', 'cde', 'f'].map((text) => Buffer.from(text))
      await file.writePieces(pieces, 3)
      await file.writePieces([], 0)
      await file.writePieces([Buffer.from('z')], 16)
      await file.sync()
      await file.close()
      expect(await contents(path)).toBe('___abcdef_______z_')
    })

    it('writes more pieces at a time than a system call takes', async () => {
      const file = await files.open(path, { write: true, create: true })
      const pieces = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i},`))
      await file.writePieces(pieces, 0)
      await file.close()
      expect(await contents(path)).toBe(Buffer.concat(pieces).toString())
    })

    it('writes pieces at once, more than a system call takes', async () => {
      const file = await files.open(path, { write: true, create: true })
      const pieces = Array.from({ length: 3000 }, (_, i) => Buffer.from(i % 7 === 0 ? '' : `${i},`))
      file.writePiecesNow(pieces, 2)
      file.writePiecesNow([], 0)
      file.writePiecesNow([Buffer.from('>>')], 0)
      const expected = `>>${Buffer.concat(pieces).toString()}`
      expect(await contents(path)).toBe(expected)
      await file.close()
      const reading = await files.open(path, { write: false })
      expect(() => reading.writePiecesNow([Buffer.from('y')], 0)).toThrow(expect.objectContaining({ code: 'EBADF' }))
      await reading.close()
    })

    it('reads fewer bytes only at the end', async () => {
      await fill(path, '0123456789')
      const file = await files.open(path, { write: false })
      const bytes = Buffer.alloc(8)
      expect(await file.read(bytes, 6)).toBe(4)
      expect(bytes.toString('latin1', 0, 4)).toBe('6789')
      expect(await file.read(bytes, 10)).toBe(0)
      expect(await file.read(bytes, 50)).toBe(0)
      expect(await file.read(Buffer.alloc(0), 0)).toBe(0)
      await file.close()
    })

    it('fills the gap before a write beyond the end with zeros', async () => {
      const file = await files.open(path, { write: true, create: true })
      await file.write(Buffer.from('z'), 5)
      expect(await file.size()).toBe(6)
      await file.sync()
      await file.close()
      expect(await contents(path)).toBe('\0\0\0\0\0z')
    })

    it('truncates and lengthens', async () => {
      await fill(path, 'abcdef')
      const file = await files.open(path, { write: true })
      await file.truncate(3)
      expect(await file.size()).toBe(3)
      await file.truncate(5)
      await file.close()
      expect(await contents(path)).toBe('abc\0\0')
    })

    it('refuses to write to a file that was opened for reading', async () => {
      await fill(path, 'x')
      const file = await files.open(path, { write: false })
      await expect(file.write(Buffer.from('y'), 0)).rejects.toMatchObject({ code: 'EBADF' })
      await file.close()
    })

    it('lists names sorted, and nothing for a missing directory', async () => {
      for (const name of ['b', 'a', 'c']) await fill(`${under.directory}/${name}`, name)
      expect(await files.list(under.directory)).toEqual(['a', 'b', 'c'])
      expect(await files.list(`${under.directory}/nowhere`)).toEqual([])
    })

    it('makes a directory with its parents, once or twice', async () => {
      const inner = `${under.directory}/x/y`
      await files.makeDirectory(inner)
      await files.makeDirectory(inner)
      await fill(`${inner}/file`, 'deep')
      await files.syncDirectory(inner)
      expect(await files.list(inner)).toEqual(['file'])
    })

    it('renames over what is there', async () => {
      await fill(path, 'old')
      await fill(`${path}.new`, 'new')
      await files.rename(`${path}.new`, path)
      await files.syncDirectory(under.directory)
      expect(await files.list(under.directory)).toEqual(['file'])
      expect(await contents(path)).toBe('new')
      await expect(files.rename(`${path}.new`, path)).rejects.toMatchObject({ code: 'ENOENT' })
    })

    it('removes a file, or nothing', async () => {
      await fill(path, 'x')
      await files.remove(path)
      await files.remove(path)
      expect(await files.list(under.directory)).toEqual([])
    })

    it('keeps the bytes of a removed or renamed file for those that have it open', async () => {
      await fill(path, 'alive')
      const file = await files.open(path, { write: false })
      await files.rename(path, `${path}.b`)
      await files.remove(`${path}.b`)
      const bytes = Buffer.alloc(5)
      expect(await file.read(bytes, 0)).toBe(5)
      expect(bytes.toString()).toBe('alive')
      await file.close()
    })
  })
}
