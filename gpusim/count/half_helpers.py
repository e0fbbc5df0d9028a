"""Conversions between half and wider types that the code generator calls and may not find.

x86 has no double-to-half instruction, older x86 no half at all; LLVM then calls these functions
of the compiler's run-time library by name.
"""

HALF_HELPERS = """
define half @__truncdfhf2(double %x) nounwind {
  %bits = bitcast double %x to i64
  %a = and i64 %bits, 9223372036854775807
  %s64 = lshr i64 %bits, 48
  %s = and i64 %s64, 32768
  ; Normal results: rebias the exponent, round to nearest even at bit 42.
  %m = sub i64 %a, 4539628424389459968
  %r = lshr i64 %m, 42
  %rem = and i64 %m, 4398046511103
  %odd = and i64 %r, 1
  %t = add i64 %rem, %odd
  %up = icmp ugt i64 %t, 2199023255552
  %inc = zext i1 %up to i64
  %normal = add i64 %r, %inc
  ; Subnormal results: x * 2^24 is the mantissa; adding 2^52 rounds it to an integer.
  %abs = bitcast i64 %a to double
  %scaled = fmul double %abs, 16777216.0
  %magic = fadd double %scaled, 4503599627370496.0
  %mb = bitcast double %magic to i64
  %sub = and i64 %mb, 2047
  %is.small = icmp ult i64 %a, 4544132024016830464
  %is.large = icmp uge i64 %a, 4679237813814689792
  %is.nan = icmp ugt i64 %a, 9218868437227405312
  %v1 = select i1 %is.small, i64 %sub, i64 %normal
  %v2 = select i1 %is.large, i64 31744, i64 %v1
  %v3 = select i1 %is.nan, i64 32256, i64 %v2
  %v = or i64 %v3, %s
  %h = trunc i64 %v to i16
  %q = bitcast i16 %h to half
  ret half %q
}
define half @__truncsfhf2(float %x) nounwind {
  %d = fpext float %x to double
  %h = call half @__truncdfhf2(double %d)
  ret half %h
}
define float @__extendhfsf2(half %x) nounwind {
  %h = bitcast half %x to i16
  %w = zext i16 %h to i32
  %a = and i32 %w, 32767
  %s0 = and i32 %w, 32768
  %s = shl i32 %s0, 16
  %m = shl i32 %a, 13
  %f = bitcast i32 %m to float
  %g = fmul float %f, 0x46F0000000000000
  %b = bitcast float %g to i32
  %special = icmp uge i32 %a, 31744
  %c = or i32 %m, 2139095040
  %e = select i1 %special, i32 %c, i32 %b
  %t = or i32 %e, %s
  %r = bitcast i32 %t to float
  ret float %r
}
"""
"""Definitions of ``__truncdfhf2``, ``__truncsfhf2`` and ``__extendhfsf2``."""

HALF_SYMBOLS = ("__truncdfhf2", "__truncsfhf2", "__extendhfsf2")
