// Adds the jobs in one go and says how long that took: PASSWORD=… node enqueue.js PORT NUMBER
import { Queue } from 'bullmq'

const [port, number] = process.argv.slice(2)
const password = process.env.PASSWORD
const connection = { host: '127.0.0.1', port: Number(port), password: password || undefined }
const queue = new Queue('texts', { connection })
await queue.waitUntilReady()
const jobs = []
for (let place = 0; place < Number(number); place++) {
  const mobile = '13115' + String(place).padStart(6, '0')
  jobs.push({ name: 'send', data: { mobile, message: 'Hello Ann, the ships are in.' },
    opts: { removeOnComplete: true } })
}
const started = performance.now()
await queue.addBulk(jobs)
console.log(JSON.stringify({ enqueue: (performance.now() - started) / 1000 }))
await queue.close()
