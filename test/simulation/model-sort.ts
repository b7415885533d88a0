/** SORT in the simulation: elements of lists, sets and sorted sets as texts, or strings that they name, replied or stored as a list. */
import type { Draw } from './draw.ts'
import type { Item, Model } from './model.ts'
import { array, integer, wrongType } from './model-replies.ts'
import type { Family } from './model-type.ts'
import { store } from './model-type.ts'

/** Names strings of the workload for elements that are small numbers. */
const named = 's*'

function sort(draw: Draw): string[] {
  const limit = draw.once(3) ? ['LIMIT', `${draw.below(10)}`, `${draw.below(40)}`] : []
  const gets = draw.once(3) ? ['GET', named, ...(draw.once(2) ? ['GET', '#'] : [])] : []
  const target = draw.once(4) ? [] : ['STORE', draw.anyKey()]
  return ['SORT', draw.anyKey(), 'ALPHA', ...limit, ...gets, ...(draw.once(2) ? ['DESC'] : []), ...target]
}

export const sortCommands: Family = {
  weight: 3,
  request: sort,
  handlers: {
    sort: (model, db, [key, ...options]) => {
      const item = model.get(db, key as string)
      if (item !== undefined && !isSortable(item)) return wrongType
      const sorted = elementsOf(item).sort()
      if (options.includes('DESC')) sorted.reverse()
      const limit = options.indexOf('LIMIT')
      const from = limit < 0 ? 0 : Number(options[limit + 1])
      const some = sorted.slice(from, limit < 0 ? undefined : from + Number(options[limit + 2]))
      const gets = options.filter((_, i) => options[i - 1] === 'GET')
      const found = gets.length === 0 ? some : some.flatMap((element) => gets.map((get) => valueFor(model, db, get, element)))
      const target = options.indexOf('STORE')
      if (target < 0) return array(found)
      store(
        model,
        db,
        options[target + 1] as string,
        'list',
        found.map((each) => each ?? ''),
      )
      return integer(found.length)
    },
  },
}

function isSortable({ kind }: Item): boolean {
  return kind === 'list' || kind === 'set' || kind === 'zset'
}

function elementsOf(item: Item | undefined): string[] {
  if (item?.kind === 'list' || item?.kind === 'set') return [...item.value]
  return item?.kind === 'zset' ? [...item.value.keys()] : []
}

function valueFor(model: Model, db: number, pattern: string, element: string): string | undefined {
  if (pattern === '#') return element
  const item = model.get(db, pattern.replace('*', element))
  return item?.kind === 'string' ? item.value : undefined
}
