import { keepTheirPromises } from '../harness/short.ts';
import { scenarios } from './index.ts';

keepTheirPromises(scenarios);
