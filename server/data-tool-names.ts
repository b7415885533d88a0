/** The words after `moraine` that ask for work on a data directory, beside `import` and `export`. */
const dataTools = ['backup', 'verify-backup', 'move'] as const
export type DataTool = (typeof dataTools)[number]

export function isDataTool(word: string | undefined): word is DataTool {
  return dataTools.some((name) => name === word)
}
