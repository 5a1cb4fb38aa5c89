// The ops: functions on tensors that know their own backward. One header for each family.
//
// Every op takes the caller's place as a defaulted last argument, checks shapes before it computes, and throws Error
// that names itself, the shapes and the rule. To add an op: write the function (forward, formulas, backward) in
// core/ops/, its contract in the header of its family, a twin composed of simpler ops in the tests, and one row in the
// table of gradient checks.
#pragma once

#include <tape/core/ops/activation.h>
#include <tape/core/ops/attention.h>
#include <tape/core/ops/attention_bias.h>
#include <tape/core/ops/attention_scale.h>
#include <tape/core/ops/dropout.h>
#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/embedding.h>
#include <tape/core/ops/gain.h>
#include <tape/core/ops/linear.h>
#include <tape/core/ops/loss.h>
#include <tape/core/ops/matmul.h>
#include <tape/core/ops/norm.h>
#include <tape/core/ops/pointwise_norm.h>
#include <tape/core/ops/reduce.h>
#include <tape/core/ops/rotary.h>
#include <tape/core/ops/routing.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/ops/softmax.h>
#include <tape/core/tape.h>
