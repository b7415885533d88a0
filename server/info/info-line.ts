/** One line of INFO. */
export type InfoLine = readonly [name: string, value: string | number]
