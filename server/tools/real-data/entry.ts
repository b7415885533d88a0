/** Real data as a server takes it: one key with a string, or one key with fields of a hash. */
export interface DataEntry {
  readonly key: string
  /** A string, or field, value, field, value, … */
  readonly value: string | readonly string[]
}

/** A package that the data comes from is not installed. */
export class DataMissing extends Error {
  override readonly name = 'DataMissing'
  constructor(packageName: string) {
    super(`the package ${packageName} is not installed: run "npm install" in the project's folder (it is a development dependency)`)
  }
}

/** Imports a package that may be missing. */
export async function fromPackage<T>(packageName: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') throw new DataMissing(packageName)
    throw failure
  }
}

/** The request that stores an entry. */
export function storingRequest(entry: DataEntry): [string, ...string[]] {
  return typeof entry.value === 'string' ? ['SET', entry.key, entry.value] : ['HSET', entry.key, ...entry.value]
}
