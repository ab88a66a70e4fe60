// Sends a text per job: PASSWORD=… node worker.js PORT CONCURRENCY URL USER API_ID
import { Worker } from 'bullmq'
import { Pool } from 'undici'

const [port, concurrency, url, user, apiId] = process.argv.slice(2)
const password = process.env.PASSWORD
const connection = { host: '127.0.0.1', port: Number(port), password: password || undefined,
  maxRetriesPerRequest: null }
const pool = new Pool(url, { connections: Number(concurrency), pipelining: 1 })
const worker = new Worker('texts', async (job) => {
  const { mobile, message } = job.data
  const answer = await pool.request({
    method: 'POST',
    path: '/sendsmsapi?format=xml&json=true',
    headers: { 'content-type': 'text/xml; charset=utf-8' },
    body: `<Data><User>${user}</User><ApiId>${apiId}</ApiId><Message>${message}</Message>` +
      `<Mobiles><Mobile>${mobile}</Mobile></Mobiles><Shortcode>71441</Shortcode></Data>`
  })
  const told = await answer.body.json()
  if (told.Status !== 'OK') throw new Error(told.ErrorId)
}, { connection, concurrency: Number(concurrency) })
worker.on('error', (error) => console.error(error))
process.on('SIGTERM', async () => { await worker.close(true); process.exit(0) })
console.log('ready')
