/** The files of a local log as a whole: whether there are any, and how they go when the log is another one from now on. */
import type { FileSystem } from '../storage/file-system.ts'
import { isSpareName, parseSegmentName } from './segment.ts'

/** Whether there is a log in the directory. */
export async function hasLocalLog(files: FileSystem, directory: string): Promise<boolean> {
  return (await files.list(directory)).some((name) => parseSegmentName(name) !== undefined)
}

/** Removes the log. The segment with its end goes last, so that a removal which is cut short leaves a log that can be opened, or none. */
export async function removeLocalLog(files: FileSystem, directory: string): Promise<void> {
  const names = await files.list(directory)
  for (const name of [...names.filter(isSpareName), ...names.filter((each) => parseSegmentName(each) !== undefined)]) {
    await files.remove(`${directory}/${name}`)
    await files.syncDirectory(directory)
  }
}
