/** Every provider whose webhooks the service understands. A new one is a folder beside this file and a line here. */
export { callcov } from './callcov/index.ts'
export { hamsa } from './hamsa/index.ts'
