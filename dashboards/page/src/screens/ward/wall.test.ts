import { expect, test } from "vitest";
import { grid } from "./wall";

test("a wall of twenty has four columns with digits of 30 mm", () => {
  expect(grid(20)).toEqual({ columns: 4, rows: 5, scale: 1 });
});
test("fewer patients have larger digits, more have smaller ones, and each has a place", () => {
  const scales = [1, 4, 8, 12, 20, 40, 200].map((tiles) => grid(tiles).scale);
  expect(scales).toEqual([...scales].sort((a, b) => b - a));
  expect(grid(8).scale).toBeGreaterThan(1.25);
  for (let tiles = 0; tiles <= 200; tiles += 1) {
    const { columns, rows } = grid(tiles);
    expect(columns * rows).toBeGreaterThanOrEqual(tiles);
  }
});
