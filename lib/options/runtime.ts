// What Node has and browsers lack.
import { nodeModule } from './node-module.js';

const { types } = nodeModule('node:util');

export function isProxy(value: object): boolean {
  return types.isProxy(value);
}

export function environmentVariable(name: string): string | undefined {
  return process.env[name];
}
