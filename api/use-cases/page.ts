/** Pages of lists that are read by id. */
import { AppError } from "../../core/contract/errors.ts";
import { parseId, type Id, type IdKind } from "../../core/contract/ids.ts";

export interface PageRequest {
  limit: number;
  cursor?: string | undefined;
}
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** The id that the page begins behind. @throws AppError invalid_request */
export function cursorOf<K extends IdKind>(kind: K, { cursor }: PageRequest): Id<K> | undefined {
  const after = cursor === undefined ? undefined : parseId(kind, cursor);
  if (cursor !== undefined && after === undefined) throw wrongCursor();
  return after;
}

export function wrongCursor(): AppError {
  return new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
}

/** `rows` has one more than the page where there is a next one. */
export function pageOfRows<R, T>(rows: readonly R[], { limit }: PageRequest, idOf: (row: R) => string, show: (row: R) => T): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items: items.map(show), nextCursor: rows.length > limit && last !== undefined ? idOf(last) : null };
}
