/** connect-redis: sessions of express-session, over HTTP. */
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'
import { about, check, end, equal, isTrue, url } from './check.mjs'

about('connect-redis')
const client = await createClient({ url }).connect()
const store = new RedisStore({ client, prefix: 'session:', ttl: 100 })
const app = express()
app.use(session({ store, secret: 'any', resave: false, saveUninitialized: false }))
app.get('/count', (request, response) => {
  request.session.count = (request.session.count ?? 0) + 1
  response.json(request.session.count)
})
app.get('/leave', (request, response) => request.session.destroy(() => response.json('gone')))
const server = app.listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))

async function get(path, cookie) {
  const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers: cookie === undefined ? {} : { cookie } })
  return { value: await response.json(), cookie: response.headers.get('set-cookie')?.split(';')[0] ?? cookie }
}

await check('express-session: counts, ends', async () => {
  const { value, cookie } = await get('/count')
  equal(value, 1)
  for (let i = 2; i <= 10; i++) equal((await get('/count', cookie)).value, i)
  equal((await get('/count')).value, 1)
  equal(await store.length(), 2)
  equal((await store.all()).map((each) => each.count).sort(), [1, 10])
  const [id] = await store.ids()
  isTrue((await client.ttl(`session:${id}`)) > 90)
  equal((await get('/leave', cookie)).value, 'gone')
  equal((await get('/count', cookie)).value, 1)
})

await check('the store is cleared', async () => {
  for (let i = 0; i < 150; i++) await store.set(`s${i}`, { cookie: {}, n: i })
  isTrue((await store.length()) >= 150)
  await store.clear()
  equal(await store.length(), 0)
})

end()
